//! Pipelines of the measures.

/// So many stages of one plugin, side by side. `round` makes them different from all others.
pub(crate) fn beside(plugin: &str, stages: usize, round: &str) -> String {
    let mut text = "pipeline: bench\non: { push: { branches: [\"**\"] } }\nstages:\n".to_owned();
    for number in 0..stages {
        text += &format!(
            "  s{number}: {{ uses: stageway/bench-{plugin}@1, with: {{ round: \"{round}\", number: {number} }} }}\n"
        );
    }
    text
}
