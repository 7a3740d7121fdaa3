//! What a promotion did, told to a service.

use stageway_tests::hook::Hook;
use stageway_tests::{Installation, told, tree};

const SECRET: &str = "T0/B0/s3cr3t-of-the-hook";
const SCRIPT: &str = "#!/bin/sh\necho hello > hello\n";

#[test]
fn the_outcome_of_each_tag_is_told_to_a_hook_whose_secret_nobody_sees() {
    let hook = Hook::start(&["503 Later\r\nretry-after: 1", "204 No Content"]);
    let address = hook.address();
    let pipeline = format!(
        "pipeline: shop
on: {{ push: {{ branches: [main] }} }}
stages:
  make:
    uses: stageway/unit-test@1
    with: {{ command: [./make.sh] }}
    artifacts: {{ hello: hello }}
  image:
    uses: stageway/image-assemble@1
    needs: [make]
    inputs: []
    from: {{ hello: stages.make.artifacts.hello }}
    with: {{ repository: build/shop, files: {{ /hello: hello }}, entrypoint: [/hello], tags: [one] }}
  promote:
    uses: stageway/promote@1
    needs: [image]
    with: {{ image: \"${{{{ stages.image.outputs.reference }}}}\", to: production/shop, tags: [v1], moving-tag: production }}
  tell:
    uses: stageway/notify@1
    needs: [promote]
    with:
      url: \"http://{address}/services/{{secret}}\"
      secret: HOOK
      body:
        text: \"shop {{secret}}: ${{{{ stages.promote.outputs.tags.map(t, t.tag + ' ' + t.outcome).join(', ') }}}}\"
"
    );
    let policy = format!(
        "trust: {{ protected: {{ allow: \"*\" }} }}\nsecrets: {{ HOOK: {{ from: file:hook, to: [\"http:{address}\"] }} }}\n"
    );
    let configuration = format!(
        "policy: policy.yaml\negress: {{ allow: [\"{address}\"] }}\nconnections: {{ build: {{ layout: build }}, production: {{ layout: production }} }}\n"
    );
    let installation =
        Installation::configured(&configuration, &[("policy.yaml", &policy), ("hook", SECRET)]);
    let tree = tree(&[("stageway.yaml", &pipeline), ("make.sh", SCRIPT)]);
    let output = installation.output(tree.path(), &["run", "--json"]);
    let told = told(&output);
    assert_eq!(told.exit, 0, "{told:#?}");
    assert_eq!(told.stage("tell")["outputs"]["status"], 204);
    let got = hook.requests();
    for request in &got {
        assert_eq!(request.first, format!("POST /services/{SECRET} HTTP/1.1"));
        let body = String::from_utf8_lossy(&request.body);
        assert_eq!(body, r#"{"text":"shop {secret}: v1 created, production created"}"#);
    }
    assert_eq!(got.len(), 2);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!said.contains(SECRET), "{said}");
}
