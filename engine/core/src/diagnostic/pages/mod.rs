//! The table of all codes: one file per family, one row per code.

mod build;
mod definition;
mod expression;
mod grant;
mod plan;
mod plugin;
mod service;
mod yaml;

use super::Page;

/// Writes one family: a constant per code, and the table of their pages.
macro_rules! pages {
    ($($name:ident = $number:literal, $title:literal, $text:literal, $example:literal, $remedy:literal;)*) => {
        /// The codes of this family.
        pub(super) mod codes {
            use crate::diagnostic::Code;
            $(#[doc = $title] pub const $name: Code = Code::of($number);)*
        }
        /// Their pages.
        pub(super) const PAGES: &[crate::diagnostic::Page] = &[$(crate::diagnostic::Page {
            code: codes::$name, title: $title, text: $text, example: $example, remedy: $remedy,
        }),*];
    };
}
pub(crate) use pages;

/// Every code of the engine.
pub mod codes {
    pub use super::build::codes::*;
    pub use super::definition::codes::*;
    pub use super::expression::codes::*;
    pub use super::grant::codes::*;
    pub use super::plan::codes::*;
    pub use super::plugin::codes::*;
    pub use super::service::codes::*;
    pub use super::yaml::codes::*;
}

/// The families in the order of their numbers.
pub(super) const FAMILIES: &[&[Page]] = &[
    yaml::PAGES,
    definition::PAGES,
    expression::PAGES,
    plan::PAGES,
    grant::PAGES,
    plugin::PAGES,
    build::PAGES,
    service::PAGES,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Code, explain};

    #[test]
    fn codes_are_unique_and_in_order() {
        let all: Vec<Code> = FAMILIES.iter().flat_map(|f| f.iter()).map(|p| p.code).collect();
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{all:?}");
        assert!(all.iter().all(|c| (1..=8).contains(&(c.number() / 100))));
    }

    #[test]
    fn every_page_says_something_in_every_part() {
        for page in FAMILIES.iter().flat_map(|f| f.iter()) {
            for part in [page.title, page.text, page.example, page.remedy] {
                assert!(part.trim() == part && part.len() > 5, "{}: {part:?}", page.code);
            }
            assert!(page.text.ends_with('.') && !page.title.ends_with('.'), "{}", page.code);
            assert_eq!(explain(&page.code.to_string()).unwrap().code, page.code);
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in ["", "SW", "SW01", "SW9999", "SW00110", "+110", "ä"] {
            assert!(explain(text).is_err(), "{text}");
        }
    }
}
