//! The command line of Kaniko.
//!
//! Source: the list of flags of <https://github.com/osscontainertools/kaniko>.

use crate::configuration::{Build, Cache};
use serde::Deserialize;

/// Where the workspace lies in the container: Kaniko takes nothing below `/kaniko` for a part of the image.
pub(crate) const WORKSPACE: &str = "/kaniko/workspace";
/// Where Kaniko looks for its logins.
pub(crate) const LOGINS: &str = "/kaniko/.docker/config.json";
/// Where Kaniko writes the digest; the pod's status gives it back.
pub(crate) const DIGEST: &str = "/dev/termination-log";

/// Where a repository is for somebody who is not the engine, as `images.facts` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Address {
    /// `HOST[:PORT]/PATH`.
    pub(crate) pull: String,
    /// Plain HTTP.
    #[serde(default)]
    pub(crate) insecure: bool,
}

impl Address {
    fn host(&self) -> &str {
        self.pull.split_once('/').map_or(self.pull.as_str(), |(host, _)| host)
    }
}

/// One call of Kaniko.
pub(crate) struct Call<'a> {
    pub(crate) build: &'a Build,
    pub(crate) platform: Option<&'a str>,
    pub(crate) to: &'a Address,
    pub(crate) tag: &'a str,
    pub(crate) cache: Option<(&'a Cache, &'a Address)>,
}

impl Call<'_> {
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Self { build, to, tag, .. } = self;
        let context =
            build.context.as_ref().map_or(WORKSPACE.to_owned(), |path| format!("{WORKSPACE}/{path}"));
        let mut all = vec![
            "/kaniko/executor".to_owned(),
            format!("--context=dir://{context}"),
            format!("--dockerfile={WORKSPACE}/{}", build.dockerfile),
            format!("--destination={}:{tag}", to.pull),
            format!("--digest-file={DIGEST}"),
            // That check is made once, and a registry that is busy in that moment would end the build; a push is tried again.
            "--skip-push-permission-check".to_owned(),
            "--push-retry=3".to_owned(),
            "--image-download-retry=3".to_owned(),
        ];
        let mut insecure: Vec<&str> = Vec::new();
        for address in [Some(*to), self.cache.map(|(_, address)| address)].into_iter().flatten() {
            if address.insecure && !insecure.contains(&address.host()) {
                insecure.push(address.host());
            }
        }
        all.extend(insecure.into_iter().map(|host| format!("--insecure-registry={host}")));
        all.extend(self.platform.map(|platform| format!("--custom-platform={platform}")));
        all.extend(build.target.as_ref().map(|target| format!("--target={target}")));
        all.extend(build.build_args.iter().map(|(name, value)| format!("--build-arg={name}={value}")));
        all.extend(build.labels.iter().map(|(name, value)| format!("--label={name}={value}")));
        if let Some((cache, address)) = &self.cache {
            let hours = (cache.kept.as_millis() / 3_600_000).max(1);
            all.push("--cache=true".to_owned());
            all.push(format!("--cache-repo={}", address.pull));
            all.push(format!("--cache-ttl={hours}h"));
        }
        let options = &build.options;
        let flags = [
            ("--reproducible", options.reproducible),
            ("--single-snapshot", options.single_snapshot),
            ("--use-new-run", options.use_new_run),
        ];
        all.extend(flags.into_iter().filter(|(_, on)| *on).map(|(flag, _)| flag.to_owned()));
        all.extend(options.compressed_caching.map(|on| format!("--compressed-caching={on}")));
        all.extend(options.snapshot_mode.as_ref().map(|mode| format!("--snapshot-mode={mode}")));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::example;
    use serde_json::json;

    #[test]
    fn a_call_says_everything() {
        let configuration = example(json!({
            "context": "app", "dockerfile": "app/Dockerfile", "target": "release", "build-args": {"A": "b c"}, "labels": {"l": "v"},
            "cache": {"repository": "build/cache", "for": "36h"}, "options": {"single-snapshot": true, "compressed-caching": false}
        }));
        let address = |path: &str, insecure| Address { pull: format!("10.0.0.1:5000/{path}"), insecure };
        let (to, cache) = (address("orderbook", true), address("cache", true));
        let call = Call {
            build: &configuration.build,
            platform: Some("linux/amd64"),
            to: &to,
            tag: "inputs-0",
            cache: configuration.cache.as_ref().map(|one| (one, &cache)),
        };
        let expected = [
            "/kaniko/executor",
            "--context=dir:///kaniko/workspace/app",
            "--dockerfile=/kaniko/workspace/app/Dockerfile",
            "--destination=10.0.0.1:5000/orderbook:inputs-0",
            "--digest-file=/dev/termination-log",
            "--skip-push-permission-check",
            "--push-retry=3",
            "--image-download-retry=3",
            "--insecure-registry=10.0.0.1:5000",
            "--custom-platform=linux/amd64",
            "--target=release",
            "--build-arg=A=b c",
            "--label=l=v",
            "--cache=true",
            "--cache-repo=10.0.0.1:5000/cache",
            "--cache-ttl=36h",
            "--single-snapshot",
            "--compressed-caching=false",
        ];
        assert_eq!(call.arguments(), expected);
    }
}
