//! SW02: the definition is valid, but cannot be planned for this event.

super::pages! {
    PLUGIN_NOT_FOUND = 201, "the plugin is not there",
    "The plan holds the digest of every plugin, so each must be found before anything runs.",
    "uses: stageway/unit-tests@1",
    "mend the name, or put the component into a plugin directory";
    WITH_INVALID = 202, "`with` does not fit the plugin's schema",
    "The plugin states as JSON Schema what it can be given.",
    "with: { comand: [./ci/test.sh] }",
    "mend the value; `stageway plugin inspect` prints the schema";
    UNKNOWN_OUTPUT = 203, "the stage has no such output",
    "A plugin declares the outputs it answers with.",
    "image: \"${{ stages.image.outputs.refrence }}\"",
    "use an output that the message lists";
    OUTPUT_TYPE = 204, "the output does not fit where it is used",
    "The type that the producer declares can never satisfy the schema at this place.",
    "with: { port: \"${{ stages.image.outputs.reference }}\" }",
    "use another output, or convert it";
    BAD_EVENT = 205, "the event is not complete",
    "Each kind of event has fields that it must have and fields that it cannot have.",
    "{ \"kind\": \"push\", \"source\": \"feature\" }",
    "give the fields that the message names";
    BAD_PARAMETER = 206, "a parameter is wrong or missing",
    "Parameters have a type; one without a default must be given.",
    "stageway run --parameter replicas=many",
    "give a value of the type that the message names";
    UNKNOWN_ARTIFACT = 207, "the stage has no such artifact",
    "`from` names artifacts that the producing stage lists under `artifacts`.",
    "from: { bin: stages.build.artifacts.binry }",
    "use a name that the message lists, or add it to the producer's `artifacts`";
    ENVIRONMENT_REF = 208, "the environment does not take this ref",
    "The policy says which branches may enter an environment.",
    "environment: production   # in a run for the branch `feature`",
    "guard the stage with `when`, or let the policy name the branch";
    RESOLVED_INVALID = 209, "the resolved value does not fit",
    "A value that came from an expression is now known, and it does not fit the plugin's schema.",
    "with: { port: \"${{ stages.start.outputs.port }}\" }   # and the port is -1",
    "mend the producer, or check the value before it is used";
    OUTPUTS_INVALID = 210, "the outputs do not fit the plugin's own schema",
    "A plugin promised a shape of its outputs and answered with another.",
    "outputs: { digest: 7 }   # declared as text",
    "report it to the author of the plugin";
    TRUST_TOO_LOW = 211, "the plugin needs more trust",
    "A component out of the repository itself runs with protected trust only, because a stranger could have put it \
     there.",
    "uses: ./plugins/x.wasm   # in a pull request",
    "publish the plugin, and use it by name";
}
