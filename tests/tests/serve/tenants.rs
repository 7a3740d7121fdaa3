//! A server with two tenants, which have the same repository.

use crate::world::{Server, World};
use serde_json::Value as Json;
use stageway_tests::Installation;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PIPELINE: &str = "pipeline: demo
on: { push: { paths: [\"src/**\"] } }
stages:
  check:
    uses: stageway/unit-test@1
    inputs: [\"src/**\"]
    with: { command: [sh, -c, \"sleep 1\"] }
";
/// Places of the server.
pub(crate) const PLACES: usize = 4;

/// A token that reads a tenant's runs, and the line that the configuration has for it.
pub(crate) fn token(tenant: &str) -> (String, String) {
    let made = Installation::new().json(Path::new("/"), &["token", tenant, "--json", "--scope", "read"]);
    let text = |key: &str| made[key].as_str().expect("text").to_owned();
    (
        text("token"),
        format!("  {tenant}: {{ tenant: {tenant}, scopes: [read], hash: \"{}\" }}\n", text("hash")),
    )
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_millis() as u64
}

/// The tenants `local` and `guest`.
pub(crate) struct Two {
    pub(crate) world: World,
    local: String,
    guest: String,
}

impl Two {
    pub(crate) fn new() -> Self {
        let ((local, first), (guest, second)) = (token("local"), token("guest"));
        let world = World::with(&format!(
            "  guest: {{ repositories: guest, secrets: env:SECRET }}
parallel-runs: {PLACES}
tokens:
{first}{second}"
        ));
        let file = world.folder().join("config.yaml");
        let text = fs::read_to_string(&file).expect("the configuration");
        let clone = world.folder().join("demo.git");
        let repository = format!(
            "  guest: {{ tenant: guest, forge: git, name: acme/guest, clone: {} }}\nwebhooks:\n",
            clone.display()
        );
        fs::write(&file, text.replace("webhooks:\n", &repository)).expect("the configuration");
        world.write("stageway.yaml", PIPELINE);
        Self { world, local, guest }
    }

    pub(crate) fn get(&self, server: &Server, tenant: &str, path: &str) -> Json {
        let token = if tenant == "local" { &self.local } else { &self.guest };
        let authorization = format!("Bearer {token}");
        let path = format!("/api/v1/tenants/{tenant}{path}");
        let answer = server.request("GET", &path, &[("Authorization", &authorization)], b"");
        if answer.status == 200 { answer.json() } else { Json::Null }
    }

    /// A push of the guest's, from its delivery to the end of its run; answers how long that took, and the run.
    pub(crate) fn push(&self, server: &Server, number: usize) -> (u64, Json) {
        let branch = format!("guest{number}");
        let revision = self.world.commit("src/a", &branch);
        self.world.push(&revision, &branch);
        let body = self.world.pushed(&branch, "", &revision);
        let body = String::from_utf8(body).expect("text").replace("acme/demo", "acme/guest");
        let delivered = now_ms();
        let answer = self.world.deliver_to(server, "guest", &branch, body.as_bytes());
        assert_eq!(answer.status, 202, "{answer:?}");
        let begun = Instant::now();
        loop {
            let run = self.get(server, "guest", &format!("/runs/{number}"));
            if let Some(ended) = run["ended-at"].as_u64() {
                assert_eq!(run["status"], "succeeded", "{run}");
                return (ended - delivered, run);
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "the guest's run does not end: {run}");
            sleep(Duration::from_millis(50));
        }
    }
}
