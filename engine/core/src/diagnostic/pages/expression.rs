//! SW0140 to SW0159: expressions.

super::pages! {
    EXPRESSION_SYNTAX = 140, "the expression is not CEL",
    "Conditions and `${{ }}` are written in CEL, the Common Expression Language.",
    "when: event.branch = 'main'",
    "mend the syntax; equality is `==`, text stands in quotes, and, or, not are `&&`, `||`, `!`";
    UNKNOWN_FIELD = 141, "there is no such field or variable",
    "Expressions see `event`, `vars`, `parameters` and `stages`. What the schema lacks would fail in every run.",
    "when: event.brnch == 'main'",
    "use the name that the message proposes";
    TYPE_ERROR = 142, "the types do not fit",
    "Both sides of an operator and the arguments of a function must have types that it knows.",
    "when: 1 + 'a' == 2",
    "convert with `string()`, `int()` or `double()`, or compare with a value of the same type";
    WHEN_NOT_BOOL = 143, "`when` is not true or false",
    "A condition is a bare expression of type bool, without `${{ }}`.",
    "when: event.branch",
    "compare it with something, as in `event.branch == \"main\"`";
    TOO_COMPLEX = 144, "the expression is too complex",
    "An expression may have 2,000 characters, 24 levels, 200 nodes and one level of macros, so that evaluating it is \
     always quick.",
    "when: xs.all(a, xs.all(b, xs.all(c, a == b)))",
    "split it, or compute the value in a stage";
    MAYBE_ABSENT = 145, "the output may be absent",
    "The stage that produces this output can be skipped, so the output may not be there.",
    "image: \"${{ stages.image.outputs.reference }}\"",
    "read it as `stages.image.outputs.?reference.orValue(\"...\")`";
    UNTRUSTED_IN_SHELL = 146, "text of outsiders in a shell command",
    "Titles, messages, branches and authors are written by people who may not run commands here. In an element of \
     `command` that a shell parses, such text becomes code.",
    "command: [sh, -c, \"echo ${{ event.title }}\"]",
    "pass it through `env` and write \"$NAME\" in the command";
    NULL_VALUE = 147, "the expression gives null",
    "Null has no meaning in a configuration, and it would vanish inside text.",
    "with: { tag: \"${{ null }}\" }",
    "give a value, or use `.orValue(...)`";
    NOT_NEEDED = 148, "the stage is not needed here",
    "Outputs are known only of stages that have ended before: those under `needs`, and the ones these need.",
    "b: { uses: x/y@1, with: { i: \"${{ stages.a.outputs.i }}\" } }",
    "add the stage to `needs`";
    NOT_A_TEXT_PART = 149, "the value cannot be a part of text",
    "Within text an expression must be string, int or bool. Lists, maps and fractions have no single spelling.",
    "with: { tags: \"v-${{ [1, 2] }}\" }",
    "let the expression stand alone, or convert it with `string()`";
    UNCLOSED_TEMPLATE = 150, "`${{` has no end",
    "An expression in text ends with `}}`.",
    "with: { tag: \"${{ event.revision\" }",
    "add `}}`, or write `$${{` where the characters themselves are meant";
    NO_EXPRESSION_HERE = 151, "no expression may stand here",
    "This value is needed before anything is known, so it must be written out.",
    "stages: { a: { uses: \"${{ vars.plugin }}\" } }",
    "write the value itself";
    EVALUATION_FAILED = 152, "the expression failed when it was evaluated",
    "It fits the schema, but not this event or these outputs.",
    "when: event.branch == 'main'   # in the run of a pull request, which has no `event.branch`",
    "ask first, as in `event.kind == \"push\" && event.branch == \"main\"`";
}
