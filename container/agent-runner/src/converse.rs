//! The turns of a run: the first prompt, then what comes on stdin, each answered by one frame (A3, R5).
//!
//! Owns: when a turn starts, what its prompt looks like, when the run ends by itself.
//! Must not: know how Kiro is driven ([`crate::kiro`]) or how lines are read ([`crate::input`]).
//! Called by: `main`, which drops it on SIGTERM; so nothing here may need to run to its end.

use std::io::Write;
use std::time::Duration;

use nanoclaw_protocol::{Output, Request};
use tokio::time::{Instant, sleep};

use crate::input::{Input, InputError, Turn};
use crate::kiro::{Failure, Kiro};

/// A1
const NO_PERSON: &str = "[Scheduled task: no person sent this just now; it was planned earlier.]";

/// Why a run ended before it was told to.
pub enum Stopped {
    Terminated,
    BadInput(InputError),
    /// `turn` failed, and with it every open turn before it.
    Failed {
        turn: Option<u64>,
        failure: Failure,
    },
    /// Nobody reads stdout any more.
    Unheard,
}

/// Ends on close, on stdin's end, after `idle_timeout` without a result, and after a scheduled task's result (S6).
pub async fn converse(kiro: &mut Kiro, request: Request, input: &mut Input) -> Result<(), Stopped> {
    let failed = |turn| move |failure| Stopped::Failed { turn, failure };
    let idle = Duration::from_millis(request.idle_timeout);
    let first = request.turn;
    let mut last_result = Instant::now();

    kiro.open(request.session_id.as_deref()).await.map_err(failed(Some(first)))?;
    // For the run's first prompt, whichever that is.
    let mut tools = kiro.tools_sentence();
    let mut next = (!request.prompt.is_empty()).then_some(Turn { turn: first, text: request.prompt });
    loop {
        let turn = match next.take() {
            Some(turn) => turn,
            None => tokio::select! {
                turn = input.turn() => match turn.map_err(Stopped::BadInput)? {
                    Some(turn) => turn,
                    None => return Ok(()),
                },
                failure = kiro.ended() => return Err(failed(None)(failure)),
                _ = sleep(idle.saturating_sub(last_result.elapsed())) => return Ok(()),
            },
        };
        let mut text = prompt(&turn.text, request.is_scheduled_task);
        if let Some(tools) = tools.take() {
            text = format!("{tools}\n{text}");
        }
        let answered = kiro.ask(&text).await.map_err(failed(Some(turn.turn)))?;
        let heard = write_frame(&Output {
            result: (!answered.text.is_empty()).then_some(answered.text),
            new_session_id: kiro.session_id().map(str::to_owned),
            usage: answered.usage,
            ..Output::success(turn.turn, "")
        });
        if !heard {
            return Err(Stopped::Unheard);
        }
        if request.is_scheduled_task {
            return Ok(());
        }
        last_result = Instant::now();
    }
}

/// False where nobody reads it.
pub fn write_frame(output: &Output) -> bool {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(output.to_frame().as_bytes()).and_then(|()| stdout.flush());
    written.is_ok()
}

/// What Kiro is sent. Its first character is never one by which kiro-cli knows its own commands (A2): `/` as found by
/// running it, `!` and `@` as its interactive form has them.
fn prompt(text: &str, is_scheduled_task: bool) -> String {
    let first = text.chars().find(|c| !c.is_whitespace() && !c.is_control() && !is_invisible(*c));
    if is_scheduled_task {
        format!("{NO_PERSON}\n{text}")
    } else if matches!(first, Some('/' | '!' | '@')) {
        format!("Message:\n{text}")
    } else {
        text.to_owned()
    }
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    // A2
    #[test]
    fn never_a_command() {
        for text in ["/quit", "  \n\t/quit", "\u{feff}/quit", "\u{200b} \u{7}/quit", "!rm -rf ~", "@prompt"] {
            let prompt = prompt(text, false);
            assert!(prompt.starts_with("Message:\n"), "{prompt}");
            assert!(prompt.ends_with(text), "{prompt}");
        }
        let usual = "<messages>\n<message sender=\"alice\">/quit</message>\n</messages>";
        assert_eq!(prompt(usual, false), usual);
        assert_eq!(prompt("1/2", false), "1/2");
    }

    // A1, A2
    #[test]
    fn scheduled() {
        assert_eq!(prompt("/quit", true), format!("{NO_PERSON}\n/quit"));
    }
}
