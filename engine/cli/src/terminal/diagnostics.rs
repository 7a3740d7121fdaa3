//! What is wrong with something that a person wrote, with the lines where it stands.

use super::look::Look;
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report, Severity,
    ThemeCharacters, ThemeStyles,
};
use stageway_core::diagnostic::{self, Diagnostic};
use std::collections::BTreeMap;

/// Texts of files by the names that places know them by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources(BTreeMap<String, String>);

impl Sources {
    /// Adds a file. Bytes that are no text show no excerpt.
    pub(crate) fn with(mut self, file: &str, bytes: &[u8]) -> Self {
        if let Ok(text) = std::str::from_utf8(bytes) {
            // Places count without a byte order mark.
            self.0.insert(file.to_owned(), text.strip_prefix('\u{feff}').unwrap_or(text).to_owned());
        }
        self
    }

    /// A source of one file.
    pub(crate) fn of(file: &str, bytes: &[u8]) -> Self {
        Self::default().with(file, bytes)
    }
}

/// Every diagnostic with its excerpt, and a count at the end.
pub(crate) fn render(diagnostics: &[Diagnostic], sources: &Sources, look: &Look) -> String {
    let handler = handler(look);
    let mut text = String::new();
    for diagnostic in diagnostics {
        // Writing to a String does not fail; a report that cannot be drawn is told plainly.
        if handler.render_report(&mut text, report(diagnostic, sources).as_ref()).is_err() {
            text.push_str(&diagnostic.to_string());
        }
        text.push('\n');
    }
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let (errors, warnings) = (errors as u64, (diagnostics.len() - errors) as u64);
    let told: Vec<String> = [(errors, "error"), (warnings, "warning")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, noun)| super::words::count(number, noun))
        .collect();
    if !told.is_empty() {
        text.push_str(&format!("{}; `stageway explain CODE` says more\n", told.join(", ")));
    }
    text
}

fn handler(look: &Look) -> GraphicalReportHandler {
    let theme = GraphicalTheme {
        characters: if look.unicode { ThemeCharacters::unicode() } else { ThemeCharacters::ascii() },
        styles: if look.colour { ThemeStyles::ansi() } else { ThemeStyles::none() },
    };
    GraphicalReportHandler::new_themed(theme).with_width(look.width).with_links(false).with_context_lines(1)
}

fn report(diagnostic: &Diagnostic, sources: &Sources) -> Report {
    let severity = match diagnostic.severity {
        diagnostic::Severity::Warning => Severity::Warning,
        diagnostic::Severity::Error => Severity::Error,
    };
    let mut message = diagnostic.message.clone();
    if let (None, Some(pointer)) = (&diagnostic.place, &diagnostic.pointer) {
        message.push_str(&format!(" (at `{pointer}`)"));
    }
    let mut told = MietteDiagnostic::new(message)
        .with_code(diagnostic.code.to_string())
        .with_severity(severity)
        .with_help(diagnostic.remedy.clone());
    let Some(place) = &diagnostic.place else { return Report::new(told) };
    match sources.0.get(&*place.file) {
        Some(source) if place.span().end <= source.len() => {
            told = told.with_label(LabeledSpan::underline(place.span()));
            Report::new(told).with_source_code(NamedSource::new(&*place.file, source.clone()))
        }
        _ => {
            told.message = format!("{place}: {}", told.message);
            Report::new(told)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_core::operator::Operator;

    const FILE: &str = "state: /var/lib/stageway\npluginz: [plugins]\n";

    #[test]
    fn an_error_shows_its_line_code_and_remedy() {
        let found = Operator::parse("config.yaml", FILE.as_bytes()).unwrap_err();
        let text = render(&found, &Sources::of("config.yaml", FILE.as_bytes()), &Look::PLAIN);
        for part in
            ["SW0110", "config.yaml:2:1", "pluginz: [plugins]", "^^^", "did you mean `plugins`?", "1 error;"]
        {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
        assert!(text.is_ascii(), "{text}");
    }

    #[test]
    fn without_its_file_the_place_is_said() {
        let found = Operator::parse("config.yaml", FILE.as_bytes()).unwrap_err();
        let text = render(&found, &Sources::default(), &Look::PLAIN);
        assert!(text.contains("config.yaml:2:1: "), "{text}");
    }

    #[test]
    fn colours_only_where_they_may_be() {
        let found = Operator::parse("config.yaml", FILE.as_bytes()).unwrap_err();
        let text = render(&found, &Sources::default(), &Look { colour: true, ..Look::PLAIN });
        assert!(text.contains("\x1b["), "{text}");
    }
}
