// Writes every example of `@octokit/webhooks-examples` as a signed delivery, one JSON object a line:
// { event, action, body, signature, expected }. What is expected is computed from the payload here, not by the engine.
//
//   cd FOLDER && node --input-type=module - SECRET < deliver.mjs      FOLDER holds node_modules
import { sign } from "@octokit/webhooks-methods";
import { createRequire } from "node:module";

const secret = process.argv[2];
const examples = createRequire(process.cwd() + "/")("@octokit/webhooks-examples");
const definitions = examples.default ?? examples;

const orNull = (id) => (/^0+$/.test(id) ? null : id);

const ACTIONS = {
  opened: () => "opened",
  synchronize: () => "updated",
  reopened: () => "reopened",
  ready_for_review: () => "ready",
  closed: (payload) => (payload.pull_request.merged ? "merged" : "closed"),
  edited: (payload) => (payload.changes?.base ? "retargeted" : undefined),
};

function expected(event, payload) {
  if (event === "ping") return { class: "ping" };
  if (event === "push") {
    return {
      class: "push",
      repository: payload.repository.full_name,
      id: String(payload.repository.id),
      sender: payload.sender.login,
      reference: payload.ref,
      before: orNull(payload.before),
      after: orNull(payload.after),
      commit: payload.head_commit?.id ?? null,
    };
  }
  const action = event === "pull_request" ? ACTIONS[payload.action]?.(payload) : undefined;
  if (action === undefined) return { class: "unsupported" };
  const pull = payload.pull_request;
  return {
    class: "pull-request",
    action,
    repository: payload.repository.full_name,
    sender: payload.sender.login,
    number: payload.number ?? pull.number,
    title: pull.title,
    author: pull.user.login,
    source: pull.head.ref,
    target: pull.base.ref,
    head: pull.head.sha,
    reference: `refs/pull/${pull.number}/head`,
    fork: pull.head.repo?.full_name !== pull.base.repo.full_name,
    draft: pull.draft,
  };
}

const lines = [];
for (const { name, examples } of definitions) {
  for (const payload of examples) {
    const body = JSON.stringify(payload);
    lines.push(
      JSON.stringify({
        event: name,
        action: payload.action ?? null,
        body,
        signature: await sign(secret, body),
        expected: expected(name, payload),
      }),
    );
  }
}
process.stdout.write(lines.join("\n") + "\n");
