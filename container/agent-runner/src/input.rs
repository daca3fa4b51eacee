//! Lines from stdin (R3): the request, then follow-ups; several waiting messages become one turn (A3).
//!
//! Owns: reading in bounded memory, and what a bad line is called. Must not: start or answer a turn.
//! A thread reads, because a wait for stdin can't be given up otherwise; it ends with the program.

use std::io::{BufRead, Read};

use nanoclaw_protocol::{FollowUp, MAX_LINE_BYTES, Request};
use tokio::sync::mpsc;

/// Lines that are read ahead while Kiro works; more wait in the pipe.
const WAITING_LINES: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    #[error("No request came: stdin ended before its first line.")]
    NoRequest,
    #[error("The request is not understood: {0}.")]
    Request(String),
    #[error("A line on stdin is not understood: {0}.")]
    FollowUp(String),
    #[error("A line on stdin is longer than {limit} bytes.")]
    TooLong { limit: usize },
    #[error("stdin can't be read: {0}.")]
    Unreadable(String),
}

/// What Kiro is asked next, and the turn that its answer names.
#[derive(Debug, PartialEq, Eq)]
pub struct Turn {
    pub turn: u64,
    pub text: String,
}

pub struct Input {
    lines: mpsc::Receiver<Result<Vec<u8>, InputError>>,
    /// What was read behind the messages of a turn.
    held: Option<Result<FollowUp, InputError>>,
    /// The last turn that was taken. A host that lost its connection to stdin says again what may have been lost with it.
    taken: u64,
}

impl Input {
    pub fn from_stdin() -> Self {
        let (sender, lines) = mpsc::channel(WAITING_LINES);
        std::thread::spawn(move || {
            let mut stdin = std::io::stdin().lock();
            while let Some(line) = read_line(&mut stdin, MAX_LINE_BYTES).transpose() {
                let last = line.is_err();
                if sender.blocking_send(line).is_err() || last {
                    break;
                }
            }
        });
        Self { lines, held: None, taken: 0 }
    }

    /// The first line.
    pub async fn request(&mut self) -> Result<Request, InputError> {
        let line = self.lines.recv().await.ok_or(InputError::NoRequest)??;
        let request: Request = serde_json::from_slice(&line).map_err(|error| InputError::Request(error.to_string()))?;
        self.taken = request.turn;
        Ok(request)
    }

    /// The next turn, made of every message that waits; None on close or stdin's end. May be dropped while it waits.
    pub async fn turn(&mut self) -> Result<Option<Turn>, InputError> {
        let mut joined = loop {
            let follow_up = match self.held.take() {
                Some(held) => held?,
                None => match self.lines.recv().await {
                    Some(line) => follow_up_of(line)?,
                    None => FollowUp::Close,
                },
            };
            match follow_up {
                FollowUp::Close => return Ok(None),
                FollowUp::Message { turn, text } if turn > self.taken => break Turn { turn, text },
                FollowUp::Message { .. } => {}
            }
        };
        self.taken = joined.turn;
        while let Ok(line) = self.lines.try_recv() {
            match follow_up_of(line) {
                Ok(FollowUp::Message { turn, .. }) if turn <= self.taken => {}
                Ok(FollowUp::Message { turn, text }) => {
                    (self.taken, joined.turn) = (turn, turn);
                    joined.text.push('\n');
                    joined.text.push_str(&text);
                }
                other => {
                    self.held = Some(other);
                    break;
                }
            }
        }
        Ok(Some(joined))
    }
}

fn follow_up_of(line: Result<Vec<u8>, InputError>) -> Result<FollowUp, InputError> {
    serde_json::from_slice(&line?).map_err(|error| InputError::FollowUp(error.to_string()))
}

/// The next line that isn't blank, without its end; None at the stream's end.
fn read_line(reader: &mut impl BufRead, limit: usize) -> Result<Option<Vec<u8>>, InputError> {
    loop {
        let mut line = Vec::new();
        // One byte more than allowed, for the line break or to see that there is too much.
        let read = reader
            .by_ref()
            .take(limit as u64 + 1)
            .read_until(b'\n', &mut line)
            .map_err(|error| InputError::Unreadable(error.to_string()))?;
        if read == 0 {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') && line.len() > limit {
            return Err(InputError::TooLong { limit });
        }
        if !line.trim_ascii().is_empty() {
            return Ok(Some(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(lines: &[&str]) -> Input {
        let (sender, receiver) = mpsc::channel(WAITING_LINES);
        for line in lines {
            sender.try_send(Ok(line.as_bytes().to_vec())).unwrap();
        }
        Input { lines: receiver, held: None, taken: 0 }
    }

    fn turn(turn: u64, text: &str) -> Result<Option<Turn>, InputError> {
        Ok(Some(Turn { turn, text: text.into() }))
    }

    // A3: what waits is one turn, named by its last message; a close behind it comes after it.
    #[tokio::test]
    async fn waiting_messages_are_joined() {
        let mut input = input(&[
            r#"{"type":"message","turn":2,"text":"two"}"#,
            r#"{"type":"message","turn":3,"text":"three"}"#,
            r#"{"type":"close"}"#,
        ]);
        assert_eq!(input.turn().await, turn(3, "two\nthree"));
        assert_eq!(input.turn().await, Ok(None));
        assert_eq!(input.turn().await, Ok(None), "stdin's end is a close");
    }

    // Q5, C1: what is said again because it may have been lost is one turn.
    #[tokio::test]
    async fn a_turn_that_came_already_is_not_taken_again() {
        let request = r#"{"turn":1,"prompt":"one","groupFolder":"g","chatJid":"1@g.us","isMain":true,"idleTimeout":1}"#;
        let two = r#"{"type":"message","turn":2,"text":"two"}"#;
        let three = r#"{"type":"message","turn":3,"text":"three"}"#;
        let one = r#"{"type":"message","turn":1,"text":"one"}"#;
        let mut input = input(&[request, one, two, two, three]);
        assert_eq!(input.request().await.unwrap().turn, 1);
        assert_eq!(input.turn().await, turn(3, "two\nthree"));
        assert_eq!(input.turn().await, Ok(None));
    }

    // A3: a bad line doesn't take the messages before it along.
    #[tokio::test]
    async fn bad_line_after_a_message() {
        let mut input = input(&[r#"{"type":"message","turn":2,"text":"two"}"#, r#"{"type":"dance"}"#]);
        assert_eq!(input.turn().await, turn(2, "two"));
        assert!(matches!(input.turn().await, Err(InputError::FollowUp(_))));
    }

    // R3
    #[test]
    fn lines() {
        fn check(mut text: &[u8], expect: &[Result<Option<&[u8]>, InputError>]) {
            for expect in expect {
                let expect = expect.clone().map(|line| line.map(<[u8]>::to_vec));
                assert_eq!(read_line(&mut text, 4), expect);
            }
        }
        let too_long = || Err(InputError::TooLong { limit: 4 });
        check(b"abcd\n\n \nx", &[Ok(Some(b"abcd\n")), Ok(Some(b"x")), Ok(None)]);
        check(b"abcd", &[Ok(Some(b"abcd")), Ok(None)]);
        check(b"abcde\n", &[too_long()]);
        check(b"", &[Ok(None)]);
    }
}
