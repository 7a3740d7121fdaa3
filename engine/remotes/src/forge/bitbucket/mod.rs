//! The two Bitbuckets, which share their name, their signature and little else.

mod cloud;
mod data_center;

use crate::forge::api;
use crate::forge::states::States;
use serde_json::{Value as Json, json};
use stageway_core::delivery::StatusReport;
use url::Url;

pub(super) use cloud::Cloud;
pub(super) use data_center::DataCenter;

const SIGNATURE: &str = "x-hub-signature";
const PREFIX: &str = "sha256=";
/// A name and a description have at most this many characters.
const TEXT: usize = 255;

const STATES: States = States {
    pending: "INPROGRESS",
    running: "INPROGRESS",
    succeeded: "SUCCESSFUL",
    failed: "FAILED",
    errored: "FAILED",
    cancelled: "STOPPED",
};

/// What is posted as a commit's status. It takes none without an address, so the commit's own stands for one.
fn status(states: &States, key: String, report: &StatusReport, commit: Url) -> Json {
    json!({
        "key": key,
        "state": states.of(report.state),
        "name": api::shorten(&report.context, TEXT),
        "description": api::shorten(&report.description, TEXT),
        "url": report.link.clone().unwrap_or_else(|| commit.into()),
    })
}
