//! Kiro, as the runner sees it: start it, open a session, ask, stop. Everything that is assumed about kiro-cli stands in
//! this folder, driven by what the program at hand knows.
//!
//! `process` owns the child and its pipes, `acp` drives it by ACP. Older ways (`chat --output-format stream-json`, plain
//! `chat`) would stand beside `acp` behind the same functions: `start`, `open`, `ask`, `session_id`, `ended`, `stop`.
//! Must not: read stdin, write stdout, know what a turn is.

mod acp;
mod launch;
mod lines;
mod process;

use nanoclaw_protocol::Cause;

pub use acp::Kiro;

/// Why Kiro could not answer. `text` is plain and short (A4), for the log and for people.
#[derive(Debug)]
pub struct Failure {
    pub cause: Cause,
    pub text: String,
}

impl Failure {
    /// `text` as Kiro gave it; the cause is told from it, else from `context`, what Kiro said around it.
    fn told(text: &str, context: &str) -> Self {
        Self {
            cause: crate::cause::of(text).or_else(|| crate::cause::of(context)).unwrap_or(Cause::Unknown),
            text: crate::text::error(text),
        }
    }

    fn new(cause: Cause, text: impl Into<String>) -> Self {
        Self { cause, text: text.into() }
    }
}
