//! SW0101 to SW0109: the text is not a YAML document we read.

super::pages! {
    NOT_UTF8 = 101, "the file is not UTF-8",
    "A pipeline file and a policy are UTF-8 text. Another encoding would be read differently by different people.",
    "pipeline: caf\\xe9",
    "save the file as UTF-8";
    TOO_LARGE = 102, "the file is too large",
    "A file may have 1 MiB, 20,000 values and 1,000 stages, a matrix 256 cells. A larger one is an accident or an attack on the reader.",
    "stages: { s1: ..., s2: ..., ..., s5000: ... }",
    "split the pipeline into several files under `.stageway/`";
    YAML_SYNTAX = 103, "the file is not YAML",
    "The text does not follow the grammar of YAML 1.2. Reading stops here, so other problems may follow.",
    "stages: [unit-test",
    "mend the syntax at the place shown; indentation, quotes and brackets are the usual causes";
    DUPLICATE_KEY = 104, "a key is written twice",
    "YAML readers disagree about which of two equal keys counts, so neither does here.",
    "stages:\n  test: { uses: stageway/unit-test@1 }\n  test: { uses: stageway/promote@1 }",
    "remove or rename one of the two";
    TAB = 105, "a tab indents a line",
    "YAML indents with spaces only. A tab looks different in every editor.",
    "stages:\n\ttest: {}",
    "replace the tab by spaces";
    SEVERAL_DOCUMENTS = 106, "the file holds several documents",
    "One file is one pipeline. What follows the second `---` would be silently lost.",
    "pipeline: a\n---\npipeline: b",
    "put every pipeline into a file of its own under `.stageway/`";
    TOO_DEEP = 107, "values are nested too deeply",
    "At most 32 levels are read, so that no file can exhaust the reader's stack.",
    "with: {a: {a: {a: {a: ... }}}}",
    "flatten the value";
    ALIAS = 108, "an alias cannot be used here",
    "An alias copies what its anchor names. Aliases may copy 20,000 values in all, never their own parent, and `<<` \
     merges are not part of YAML 1.2.",
    "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]",
    "write the value out, or use `vars`";
    YAML_FEATURE = 109, "a feature of YAML that has no meaning here",
    "Keys are plain text and values are null, booleans, numbers, text, lists and maps. Tags and keys of other kinds \
     have no meaning in this file.",
    "stages: { ? [a, b] : x }",
    "write the key as text, and leave the tag out";
}
