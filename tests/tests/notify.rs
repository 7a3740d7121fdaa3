//! What a promotion did, told to a service.

use stageway_tests::{Installation, assert_says, tree};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

const SECRET: &str = "T0/B0/s3cr3t-of-the-hook";
const SCRIPT: &str = "#!/bin/sh\necho hello > hello\n";

/// A receiver that answers in turn; it tells the requests that it got, each with its body.
fn receiver(answers: &'static [&'static str]) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let served = std::thread::spawn(move || {
        let serve = |answer: &&str| {
            let (stream, _) = listener.accept().expect("a connection");
            let mut reader = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a line");
                if line.trim().is_empty() {
                    break;
                }
                let lower = line.to_lowercase();
                if let Some(count) = lower.strip_prefix("content-length:") {
                    length = count.trim().parse().expect("a length");
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            write!(reader.get_mut(), "HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .expect("an answer");
            format!("{head}{}", String::from_utf8_lossy(&body))
        };
        answers.iter().map(serve).collect()
    });
    (address, served)
}

#[test]
fn the_outcome_of_each_tag_is_told_to_a_hook_whose_secret_nobody_sees() {
    let (address, served) = receiver(&["503 Later\r\nretry-after: 1", "204 No Content"]);
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
        text: \"shop: ${{{{ stages.promote.outputs.tags.map(t, t.tag + ' ' + t.outcome).join(', ') }}}}\"
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
    let told = stageway_tests::told(&output);
    assert_eq!(told.exit, 0, "{told:#?}");
    assert_eq!(told.stage("tell")["outputs"]["status"], 204);
    let got = served.join().expect("it was told");
    for request in &got {
        assert_says(
            request,
            &[&format!("POST /services/{SECRET} "), r#"{"text":"shop: v1 created, production created"}"#],
        );
    }
    assert_eq!(got.len(), 2);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!said.contains(SECRET), "{said}");
}
