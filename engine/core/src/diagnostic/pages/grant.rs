//! SW03: grants and policy.

super::pages! {
    GRANT_MISSING = 301, "a grant is missing",
    "The plugin imports an interface that nothing grants it. Every missing grant is told at once, and nothing runs.",
    "notify: { uses: acme/notify@1 }   # the component imports `http`",
    "add the line that the message shows to the stage";
    GRANT_REFUSED = 302, "the policy refuses a grant",
    "The file asks for more than the policy allows at this trust. A pull request edits the very file that grants, so \
     the file alone never decides.",
    "grants: { http: [\"evil.example.com:443\"] }   # in the pull request of a fork",
    "ask for less, or let a person of higher trust start the run";
    IMPORT_UNKNOWN = 303, "the component imports something unknown",
    "Only interfaces of the contract and the inert WASI baseline are linked; nothing else exists for a plugin.",
    "import wasi:http/outgoing-handler@0.2.3",
    "build the plugin against the contract's own interfaces";
    IMPORT_VERSION = 304, "the contract's version does not fit",
    "The component was built for a version of an interface that this engine does not have.",
    "import stageway:host/tasks@2.0.0",
    "take a version of the plugin that was built for this engine";
    CONNECTION_REFUSED = 305, "the connection is not open at this trust",
    "The policy says what a connection of the file means at each trust; one that it does not name is refused.",
    "with: { repository: production/orderbook }   # in the pull request of a fork",
    "use a connection that the policy names for this trust, or guard the stage with `when`";
    SECRET_REFUSED = 306, "the secret is not open at this trust",
    "A secret must be known to the policy and be listed for the trust of the run.",
    "secrets: { TOKEN: NPM }   # in the pull request of a fork",
    "guard the stage with `when`, or let the policy list the secret for this trust";
    SECRET_UNKNOWN = 307, "the policy knows no such secret",
    "Secrets are named in the policy, with where they come from and where they may flow.",
    "secrets: { TOKEN: NMP }",
    "use a name that the policy has, or add it there";
    ENVIRONMENT_UNKNOWN = 308, "the policy knows no such environment",
    "When the policy names environments, others are a slip.",
    "environment: prodution",
    "use a name that the policy has, or add it there";
    PLUGIN_REFUSED = 309, "the policy allows no such plugin",
    "When the policy's `plugins` has no pattern that matches, the plugin is not run.",
    "uses: stranger/tool@1",
    "let the policy name the plugin";
    NETWORK_REFUSED = 310, "the policy allows no network",
    "Tasks have the network only where the policy lets a granted network through.",
    "grants: { tasks: { network: true } }   # in the pull request of a fork",
    "remove `network`, or let a person of higher trust start the run";
    GRANT_UNUSED = 311, "a grant that nothing uses",
    "The file grants an interface that the plugin does not import. It has no effect.",
    "grants: { http: [\"hooks.example.com:443\"] }   # and the component imports no `http`",
    "remove the line";
}
