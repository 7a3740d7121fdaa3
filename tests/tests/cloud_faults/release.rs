//! A small team's pipeline: a service is tested in a pod, built by Kaniko, promoted, deployed and watched.

use crate::place::{Place, Ways, prometheus};
use stageway_tests::Installation;
use std::process::Command;

/// In their order.
pub const STAGES: [&str; 5] = ["test", "image", "promote", "deploy", "observe"];

const PIPELINE: &str = r#"
pipeline: shop
on: { push: { branches: [main] } }
stages:
  test:
    uses: stageway/unit-test@1
    inputs: [work.sh]
    with: { command: [./work.sh], image: tools/tools/shell:1 }
    secrets: { TOKEN: TOKEN }
  image:
    uses: stageway/image-kaniko@1
    inputs: [Dockerfile, service]
    with: { repository: build/NAME, kaniko: tools/tools/kaniko:1, options: { single-snapshot: true } }
  promote:
    uses: stageway/promote@1
    needs: [test, image]
    environment: production
    with: { image: "${{ stages.image.outputs.reference }}", to: production/NAME, tags: [v1], moving-tag: production }
  deploy:
    uses: stageway/kubernetes-deploy@1
    needs: [promote]
    environment: production
    inputs: [shop.yaml]
    with: { cluster: test, namespace: NAME, manifest: shop.yaml, image: "${{ stages.promote.outputs.reference }}", timeout: 2m }
  observe:
    uses: stageway/observe@1
    needs: [deploy]
    environment: production
    with:
      prometheus: PROMETHEUS
      window: 5s
      interval: 1s
      objectives: [{ name: up, query: "max(max_over_time(up{namespace=\"NAME\"}[1m]))", at-least: 1, for: 5s }]
"#;
const WORK: &str = "#!/bin/sh
echo \"started with a token of ${#TOKEN} characters\"
sleep 0.2
echo worked
";
const DOCKERFILE: &str = "FROM scratch\nCOPY service /service\nENTRYPOINT [\"/service\"]\n";
/// Answers with one metric; ready as soon as somebody has looked at that, so that whoever watches it has seen it.
const SERVICE: &str = r#"#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static const char metric[] = "HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\r\nshop_works 1\n";
static const char unready[] = "HTTP/1.0 503 Not yet\r\ncontent-length: 0\r\n\r\n";
int main(void) {
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(8080) };
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1, seen = 0;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&any, sizeof any) || listen(listener, 16)) return 1;
    for (;;) {
        char request[4096];
        int client = accept(listener, 0, 0);
        if (client < 0) continue;
        long got = read(client, request, sizeof request - 1);
        if (got > 0) {
            int looked = !strncmp(request, "GET /metrics", 12);
            const char *answer = looked || seen ? metric : unready;
            if (write(client, answer, strlen(answer)) > 0) seen |= looked;
        }
        close(client);
    }
}
"#;
const SHOP: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop }, annotations: { prometheus.io/port: "8080" } }
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 0
      containers:
        - name: shop
          image: production/NAME
          readinessProbe: { httpGet: { port: 8080, path: /ready }, periodSeconds: 1 }
"#;

/// A place with that pipeline.
pub fn place(installation: Installation, ways: &Ways) -> Place {
    let pipeline = PIPELINE.replace("PROMETHEUS", &prometheus(&crate::place::cluster()));
    let files = [
        ("stageway.yaml", pipeline.as_str()),
        ("work.sh", WORK),
        ("Dockerfile", DOCKERFILE),
        ("service.c", SERVICE),
        ("shop.yaml", SHOP),
    ];
    let place = Place::new(installation, ways, &files);
    let compiled = Command::new("cc")
        .args(["-static", "-Os", "-s", "-o", "service", "service.c"])
        .current_dir(place.tree.path())
        .status();
    assert!(compiled.expect("cc runs").success());
    place.committed()
}
