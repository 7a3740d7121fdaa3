//! Files that nobody pushed: what is taken of them, and whose they are.

use crate::world::{Answer, World, acme, file_of, tenant};
use serde_json::{Value as Json, json};
use stageway_core::digest::Digest;
use stageway_core::name::WebhookId;
use stageway_ports::{Blobs as _, DeliveryFilter, Inbox as _};
use stageway_web::Limits;

pub const MEDIA_TYPE: &str = "application/octet-stream";
const PATH: &str = "/repositories/demo/preflight";

/// A pack of text files.
pub struct Pack {
    wanted: Json,
    list: String,
    files: String,
}

impl Pack {
    /// All of the files, in order of path.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let mut pack = Self { wanted: json!({"branch": "work"}), list: String::new(), files: String::new() };
        for (path, text) in files {
            pack = pack.listing(path, text).with(text);
        }
        pack
    }

    /// Names a file in the list.
    fn listing(mut self, path: &str, text: &str) -> Self {
        let line = json!([path, "file", Digest::of(text.as_bytes()).hex(), text.len()]);
        self.list.push_str(&format!("{line}\n"));
        self
    }

    /// Sends the bytes of a file.
    fn with(mut self, text: &str) -> Self {
        self.files.push_str(&format!("{} {}\n{text}", Digest::of(text.as_bytes()), text.len()));
        self
    }

    fn wanting(mut self, name: &str, value: Json) -> Self {
        self.wanted[name] = value;
        self
    }

    pub fn text(&self) -> String {
        let mut wanted = self.wanted.clone();
        wanted["list"] = self.list.len().into();
        format!("{wanted}\n{}{}", self.list, self.files)
    }
}

async fn send(world: &World, text: &str) -> Answer {
    world.ask("POST", &acme(PATH), "sw_acme-run", &[("content-type", MEDIA_TYPE)], text).await
}

#[tokio::test]
async fn a_pack_is_told_to_ourselves_with_who_sent_it() {
    let world = World::new().await;
    let pack = Pack::of(&[("a", "one"), ("b", "one"), ("c", "")]);
    // The same bytes are sent once.
    let pack = Pack { files: Pack::of(&[("a", "one"), ("c", "")]).files, ..pack };
    let pack = pack.wanting("message", json!("First line\n\nmore")).wanting("pipeline", json!("shop"));
    let answer = send(&world, &pack.text()).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let filter = DeliveryFilter { webhook: Some(WebhookId::own()), before: None, max: 1 };
    let found = world.store.deliveries(&tenant("acme"), &filter).await.unwrap();
    assert_eq!(answer.json()["delivery"], found[0].id.as_str());
    let body = world.store.body(&tenant("acme"), &found[0].id).await.unwrap().unwrap();
    let told: Json = serde_json::from_slice(&body).unwrap();
    let tree = Digest::of(pack.list.as_bytes());
    let expected = json!({
        "kind": "preflight", "tree": tree, "pipeline": "shop", "branch": "work", "target": "main",
        "title": "First line", "message": "First line\n\nmore", "by": "acme-run",
    });
    assert_eq!(told, expected);
    for bytes in ["one", "", &pack.list] {
        let size = world.blobs.size(&Digest::of(bytes.as_bytes())).await.unwrap();
        assert_eq!(size, Some(bytes.len() as u64));
    }
}

#[tokio::test]
async fn what_the_newest_run_of_the_repository_has_need_not_be_sent() {
    let world = World::new().await;
    let own = file_of(&tenant("acme"));
    let known = world.ask("GET", &acme(PATH), "sw_acme-run", &[], "").await.json();
    assert_eq!(known["run"], "acme-run");
    assert_eq!(known["files"], json!([Digest::of(own.as_bytes())]));
    assert_eq!(known["limits"]["files"], 100_000);
    let pack = Pack::of(&[("new", "new")]).listing("old", &own);
    assert_eq!(send(&world, &pack.text()).await.status, 422, "nobody said that it is known");
    let pack = pack.wanting("known", json!("acme-run"));
    assert_eq!(send(&world, &pack.text()).await.status, 202);
    let twice = send(&world, &pack.with(&own).text()).await;
    assert_eq!(twice.status, 422, "it was known: {twice:?}");
}

/// Whoever knows a digest does not have the file.
#[tokio::test]
async fn a_file_of_another_tenant_is_not_had_by_its_digest() {
    let world = World::new().await;
    let theirs = file_of(&tenant("other"));
    assert!(world.blobs.size(&Digest::of(theirs.as_bytes())).await.unwrap().is_some(), "the server has it");
    let pack = Pack::of(&[]).listing("stageway.yaml", &theirs);
    let unsaid = send(&world, &pack.text()).await;
    assert_eq!((unsaid.status, unsaid.code().as_str()), (422, "SW0812"));
    for run in ["other-run", "no-run"] {
        let named =
            send(&world, &Pack::of(&[]).listing("a", &theirs).wanting("known", json!(run)).text()).await;
        assert_eq!((named.status, named.code().as_str()), (409, "SW0813"), "{run}");
    }
    let own = pack.wanting("known", json!("acme-run"));
    assert_eq!(send(&world, &own.text()).await.status, 422);
    // Of the absent file nothing else is told.
    let absent = Pack::of(&[]).listing("stageway.yaml", "absent");
    assert_eq!(send(&world, &absent.text()).await.body, unsaid.body);
}

#[tokio::test]
async fn what_is_no_pack_is_refused() {
    let world = World::new().await;
    let good = || Pack::of(&[("a", "one")]);
    let digest = Digest::of(b"one");
    for (text, status, why) in [
        (String::new(), 422, "empty"),
        ("{}\n".into(), 422, "nothing is wanted"),
        ("not json\n".into(), 422, "no JSON"),
        (good().wanting("stranger", json!(1)).text(), 422, "an unknown key"),
        (good().wanting("branch", json!("a..b")).text(), 422, "no branch"),
        (good().wanting("target", json!("a b")).text(), 422, "no target"),
        (good().wanting("message", json!("x".repeat(70_000))).text(), 422, "a long message"),
        (good().text().replacen("one", "two", 1), 422, "other bytes"),
        (good().with("two").text(), 422, "a file that is not in the tree"),
        (good().with("one").text(), 422, "a file twice"),
        (Pack::of(&[]).listing("a", "one").text(), 422, "a file is missing"),
        (good().text().trim_end_matches("ne").to_owned(), 422, "it breaks off"),
        (good().text().replace(&format!("{digest} 3"), &format!("{digest} 2")), 422, "another size"),
        (Pack { list: "[\"../a\",\"folder\"]\n".into(), ..Pack::of(&[]) }.text(), 422, "a path that leaves"),
        (format!("{}\n", json!({"branch": "a", "list": 40 << 20})), 413, "a long list"),
        (format!("{{\"branch\": \"{}\"}}\n", "a".repeat(300_000)), 422, "a long first line"),
    ] {
        let answer = send(&world, &text).await;
        assert_eq!(answer.status, status, "{why}: {answer:?}");
        answer.code();
    }
    let headers = [("content-type", "application/json")];
    assert_eq!(world.ask("POST", &acme(PATH), "sw_acme-run", &headers, &good().text()).await.status, 415);
    let path = acme("/repositories/nothing/preflight");
    let headers = [("content-type", MEDIA_TYPE)];
    assert_eq!(world.ask("POST", &path, "sw_acme-run", &headers, &good().text()).await.status, 404);
    assert_eq!(world.ask("GET", &path, "sw_acme-run", &[], "").await.status, 404);
}

#[tokio::test]
async fn a_tree_has_its_bounds() {
    let world = World::new().await;
    let folders: String = (0..=100_000).map(|number| format!("[\"{number:06}\",\"folder\"]\n")).collect();
    let many = Pack { list: folders, ..Pack::of(&[]) };
    assert_eq!(send(&world, &many.text()).await.code(), "SW0803");
    let line = |size: u64| format!("[\"a\",\"file\",\"{}\",{size}]\n", Digest::of(b"x").hex());
    let much = Pack { list: line(2 << 30), ..Pack::of(&[]) };
    assert_eq!(send(&world, &much.text()).await.status, 413);
    let large = 65 << 20;
    let file = Pack { list: line(large), files: format!("{} {large}\n", Digest::of(b"x")), ..Pack::of(&[]) };
    let answer = send(&world, &file.text()).await;
    assert_eq!(answer.status, 413, "before its bytes are waited for: {answer:?}");
}

#[tokio::test]
async fn nobody_waits_for_a_place() {
    let limits = Limits { uploads: 0, ..Limits::default() };
    let world = World::with(limits).await;
    let answer = send(&world, &Pack::of(&[("a", "one")]).text()).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "SW0806"));
    assert!(!answer.header("retry-after").is_empty());
}
