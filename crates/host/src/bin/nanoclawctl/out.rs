//! The only place that writes: answers to stdout, failures to stderr. Text from outside is made harmless for a terminal.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use clap_complete::Shell;
use jiff::{Timestamp, tz::TimeZone};
use nanoclaw_core::{command::CommandError, problem::Trouble};
use serde::Serialize;
use serde_json::{Value, json};

/// Why a command ends early.
#[derive(Debug)]
pub enum Failure {
    Said(CommandError),
    /// Said on stderr alone: stdout holds a stream of another kind.
    Aside(CommandError),
    /// The answer itself says it.
    Told,
    /// The reader of stdout is gone (`| head`): nobody is left to tell.
    Unread,
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        Failure::Said(error)
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Failure::Said((&trouble).into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Unread,
            _ => internal(format!("the answer can't be written: {error}.")),
        }
    }
}

pub fn internal(reason: String) -> Failure {
    Trouble::Internal { reason }.into()
}

/// Where answers go.
#[derive(Debug)]
pub struct Out {
    /// Whether they are asked for as JSON.
    pub json: bool,
}

impl Out {
    pub fn new(json: bool) -> Out {
        Out { json }
    }

    /// Whether a person reads along, and no file or other program.
    pub fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    pub fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}")?;
        Ok(stdout.flush()?)
    }

    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        Ok(stdout.flush()?)
    }

    /// One line of JSON.
    pub fn value(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| internal(format!("{error}.")))?;
        self.line(text)
    }

    /// For the shell's own folder of completions.
    pub fn completions(&mut self, shell: Shell, mut words: clap::Command) -> Result<(), Failure> {
        let (name, mut script) = (words.get_name().to_owned(), Vec::new());
        clap_complete::generate(shell, &mut words, name, &mut script);
        self.text(&String::from_utf8_lossy(&script))
    }

    /// Columns under their heads, or `none` where there are no rows.
    pub fn table<const N: usize>(
        &mut self,
        heads: [&str; N],
        rows: Vec<[String; N]>,
        none: &str,
    ) -> Result<(), Failure> {
        if rows.is_empty() {
            return self.line(none);
        }
        let rows = rows.into_iter().map(|row| row.map(|cell| plain(&cell)));
        let all: Vec<[String; N]> = [heads.map(str::to_owned)].into_iter().chain(rows).collect();
        let mut widths = [0; N];
        for row in &all {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &all {
            let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            self.line(cells.join("  ").trim_end())?;
        }
        Ok(())
    }

    /// A remark on stderr that is no answer and no failure.
    pub fn remark(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{}", plain(text));
    }

    /// The exit code, and what is said about a failure.
    pub fn end(&mut self, done: Result<(), Failure>) -> ExitCode {
        let (error, on_stdout) = match done {
            Ok(()) | Err(Failure::Unread) => return ExitCode::SUCCESS,
            Err(Failure::Told) => return ExitCode::FAILURE,
            Err(Failure::Said(error)) => (error, self.json),
            Err(Failure::Aside(error)) => (error, false),
        };
        if on_stdout {
            let _ = self.value(&json!({"error": error}));
        }
        self.remark(&format!("{} {}", error.message, error.cure));
        ExitCode::FAILURE
    }
}

/// Chats and agents choose names: control characters must not steer the terminal nor turn the direction of writing.
pub fn plain(text: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

/// The text at a JSON pointer; empty where there is none.
pub fn at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The list at a JSON pointer; empty where there is none.
pub fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A time of an answer in the reader's zone; empty where there is none.
pub fn local(time: &str) -> String {
    shown(time, "%Y-%m-%d %H:%M")
}

/// The same without its day.
pub fn clock(time: &str) -> String {
    shown(time, "%H:%M:%S")
}

fn shown(time: &str, form: &str) -> String {
    time.parse::<Timestamp>().map(|at| at.to_zoned(TimeZone::system()).strftime(form).to_string()).unwrap_or_default()
}
