//! Which lines of a log a person asks for. Must not read files; `host::logs` does, and asks here line by line.
//!
//! A line of the one log is `<time> <LEVEL> <message> key: "value" …` (T7). A run's own log has no such form.

use serde::{Deserialize, Serialize};

use crate::group::Folder;

/// How much a line matters, the most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Error,
    Warn,
    Info,
    /// And all below it.
    Debug,
}

/// What is asked for; what is not said is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Query {
    /// The run whose own log it is; while it is at work, its lines of the one log.
    pub run: Option<String>,
    /// A JID or a folder, in the one log.
    pub chat: Option<String>,
    /// Lines that matter as much or more, in the one log.
    pub level: Option<Level>,
    /// What lines hold, in letters of either case.
    pub text: Option<String>,
    /// The `mark` of an answer: what has come since.
    pub since: Option<String>,
}

/// Judges lines.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    level: Option<Level>,
    /// One of these is in the line.
    any: Vec<String>,
    /// The beginning of a run's id, which ends in digits.
    runs: Vec<String>,
    text: String,
}

impl Filter {
    /// `text`: as a person typed it.
    pub fn new(level: Option<Level>, text: Option<&str>) -> Self {
        Filter { level, text: text.unwrap_or_default().trim().to_lowercase(), ..Filter::default() }
    }

    /// Only what the log tells of a chat: by its folder, or a run of it.
    pub fn of_chat(self, folder: &Folder) -> Self {
        let any = ["group", "source"].map(|field| format!(" {field}: \"{folder}\"")).into_iter();
        let any = any.chain([format!(" run.group: \"{folder}\"")]).collect();
        let runs = ["run", "run.id"].map(|field| format!(" {field}: \"{folder}-")).into();
        Filter { any, runs, ..self }
    }

    /// Only what the log tells of a run.
    pub fn of_run(self, run: &str) -> Self {
        Filter { any: ["run", "run.id"].map(|field| format!(" {field}: \"{run}\"")).into(), ..self }
    }

    pub fn fits(&self, line: &str) -> bool {
        let (level, said) = parts(line);
        self.level.is_none_or(|wanted| level.is_some_and(|level| level <= wanted))
            && self.tells_of(line)
            && (self.text.is_empty() || said.to_lowercase().contains(&self.text))
    }

    fn tells_of(&self, line: &str) -> bool {
        let of_runs = |start: &String| {
            line.match_indices(start.as_str()).any(|(at, start)| {
                let rest = line.get(at + start.len()..).unwrap_or_default();
                rest.split_once('"').is_some_and(|(millis, _)| millis.bytes().all(|byte| byte.is_ascii_digit()))
            })
        };
        let is_any = self.any.is_empty() && self.runs.is_empty();
        is_any || self.any.iter().any(|field| line.contains(field.as_str())) || self.runs.iter().any(of_runs)
    }
}

/// A line's level, where it has one, and what it says.
fn parts(line: &str) -> (Option<Level>, &str) {
    let parted = line.split_once("Z ").filter(|(time, _)| time.len() == "2026-01-01T00:00:00.000".len());
    let Some((word, said)) = parted.and_then(|(_, rest)| rest.split_once(' ')) else { return (None, line) };
    let level = match word {
        "ERROR" => Level::Error,
        "WARN" => Level::Warn,
        "INFO" => Level::Info,
        "DEBUG" | "TRACE" => Level::Debug,
        _ => return (None, line),
    };
    (Some(level), said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_level_chat_run_and_text() {
        // T4
        let line = |level: &str, said: &str| format!("2026-05-12T10:29:00.000Z {level} {said}");
        let family = Folder::new("family").unwrap();
        let filter = |level, text| Filter::new(level, text);
        let any = || filter(None, None);
        for (filter, line, fits) in [
            (any(), line("TRACE", "x"), true),
            (any(), "exit code: 0".to_owned(), true),
            (filter(Some(Level::Warn), None), line("ERROR", "x"), true),
            (filter(Some(Level::Warn), None), line("WARN", "x"), true),
            (filter(Some(Level::Warn), None), line("INFO", "ERROR x"), false),
            (filter(Some(Level::Error), None), line("WARN", "x"), false),
            (filter(Some(Level::Debug), None), line("TRACE", "x"), true),
            (filter(Some(Level::Debug), None), "exit code: 0".to_owned(), false),
            (filter(None, Some(" ÄRGER ")), line("INFO", "großer Ärger im Haus"), true),
            (filter(None, Some("info")), line("INFO", "x"), false),
            (filter(None, Some("EXIT")), "exit code: 0".to_owned(), true),
            (any().of_chat(&family), line("INFO", r#"x run.id: "family-1778581786000" run.group: "family""#), true),
            (any().of_chat(&family), line("INFO", r#"x run: "family-1778581786000""#), true),
            (any().of_chat(&family), line("INFO", r#"x run: "family-2-1778581786000""#), false),
            (any().of_chat(&family), line("INFO", r#"x group: "family-2""#), false),
            (any().of_chat(&family), line("WARN", r#"x source: "family" kind: "message""#), true),
            (any().of_chat(&family), line("INFO", r#"x name: "\" group: \"family\"""#), false),
            (any().of_run("family-1"), line("INFO", r#"x run.id: "family-1" run.group: "family""#), true),
            (any().of_run("family-1"), line("INFO", r#"x run.id: "family-12""#), false),
            (filter(Some(Level::Warn), Some("x")).of_chat(&family), line("WARN", r#"y group: "family""#), false),
        ] {
            assert_eq!(filter.fits(&line), fits, "{filter:?} {line}");
        }
    }
}
