//! The two Bitbuckets, which share their name, their signature and little else.

mod cloud;
mod data_center;

pub(super) use cloud::Cloud;
pub(super) use data_center::DataCenter;

const SIGNATURE: &str = "x-hub-signature";
const PREFIX: &str = "sha256=";
