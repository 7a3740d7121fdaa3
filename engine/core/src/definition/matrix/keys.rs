//! What the cells of a matrix are called.

use crate::digest::Digest;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// The name of a stage with a matrix has at most this many characters: those of its cells follow it.
pub(super) const MAX_STAGE: usize = 50;
/// Of a stage's name.
const MAX_NAME: usize = 63;
/// Characters of a digest that tell cells apart.
const DIGEST: usize = 8;

/// The key of each cell, in order: its values as a part of a stage's name, as in `1-95-linux`.
///
/// A key follows from the values of its cell alone, unless two cells would be called the same or the name would be too long:
/// then a piece of the digest of its values ends it.
pub(super) fn keys(stage: &str, cells: &[Vec<Json>]) -> Vec<String> {
    let room = MAX_NAME.saturating_sub(stage.len() + 1);
    let plain: Vec<String> = cells.iter().map(|values| plain(values)).collect();
    let mut alike: BTreeMap<&str, usize> = BTreeMap::new();
    for key in &plain {
        *alike.entry(key).or_default() += 1;
    }
    let is_good = |key: &str| (1..=room).contains(&key.len()) && alike.get(key) == Some(&1);
    let each = plain.iter().zip(cells);
    each.map(|(key, values)| if is_good(key) { key.clone() } else { told_apart(key, values, room) }).collect()
}

/// The values as words of lower-case letters and digits.
fn plain(values: &[Json]) -> String {
    let mut key = String::new();
    for value in values {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        for word in text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
            if !key.is_empty() {
                key.push('-');
            }
            key.push_str(&word.to_ascii_lowercase());
        }
    }
    key
}

fn told_apart(key: &str, values: &[Json], room: usize) -> String {
    let digest = Digest::of_json(&values).hex();
    // A key has ASCII only.
    let kept = key[..key.len().min(room.saturating_sub(DIGEST + 1))].trim_end_matches('-');
    match kept {
        "" => digest[..DIGEST].to_owned(),
        kept => format!("{kept}-{}", &digest[..DIGEST]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::StageName;
    use proptest::prelude::*;
    use serde_json::json;

    fn keys_of(stage: &str, cells: &[&[Json]]) -> Vec<String> {
        keys(stage, &cells.iter().map(|values| values.to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn a_key_is_read_off_the_values() {
        let cells: [&[Json]; 3] = [
            &[json!("1.95"), json!("Linux")],
            &[json!(22), json!("linux/arm64")],
            &[json!(true), json!("-")],
        ];
        assert_eq!(keys_of("test", &cells), ["1-95-linux", "22-linux-arm64", "true"]);
    }

    #[test]
    fn what_would_be_called_alike_ends_with_a_digest() {
        let keys = keys_of("test", &[&[json!("c")], &[json!("C++")], &[json!("d")], &[json!("*")]]);
        assert!(keys[0].starts_with("c-") && keys[1].starts_with("c-") && keys[0] != keys[1], "{keys:?}");
        assert_eq!((keys[2].as_str(), keys[3].len()), ("d", 8));
        let long = keys_of("test", &[&[json!("x".repeat(200))]]);
        assert_eq!(long[0].len(), 63 - "test-".len());
        // Another cell changes no name.
        assert_eq!(keys_of("test", &[&[json!("c")], &[json!("C++")]]), keys[..2]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_cell_has_a_good_name_of_its_own(
            stage in "[a-z][a-z0-9]{0,49}",
            cells in prop::collection::btree_set("\\PC{0,80}", 1..20),
        ) {
            let cells: Vec<Vec<Json>> = cells.into_iter().map(|text| vec![json!(text)]).collect();
            let keys = keys(&stage, &cells);
            for key in &keys {
                prop_assert!(StageName::new(format!("{stage}-{key}")).is_ok(), "{stage}-{key}");
            }
            let different: std::collections::BTreeSet<_> = keys.iter().collect();
            prop_assert_eq!(different.len(), keys.len());
        }
    }
}
