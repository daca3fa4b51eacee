//! A run and its turns: what was handed over, what was answered, when it ends (C1, R5).
//!
//! A turn is one hand-over of messages: the cursor advances with it. A turn is open until its first result is in the outbox.
//! Kiro takes turns one after the other, so a result that names a turn answers all turns before it too.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::{chat::Seq, group::Group, settings::Settings, status::RunKind};

/// A hand-over that has no result yet: the messages after `from` up to and including `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    pub id: u64,
    pub from: Seq,
    pub to: Seq,
}

/// The open turns that a result answers: all up to the one it names, or all when it names none.
pub fn answered(open: &[Turn], named: Option<u64>) -> Vec<u64> {
    open.iter().map(|turn| turn.id).filter(|id| named.is_none_or(|named| *id <= named)).collect()
}

/// Where the cursor goes back to when a run ends with these turns open: before the first of them (C1). Of an open turn
/// nothing was sent, whatever earlier turns sent.
pub fn rollback(open: &[Turn]) -> Option<Seq> {
    open.iter().map(|turn| turn.from).min()
}

/// The WhatsApp message id of a reply: the same for the same run, turn and part, so that a frame read twice is one message
/// (M13). Shaped like a WhatsApp Web client's ids.
pub fn message_id(run: &str, turn: u64, part: u64) -> String {
    let digest = Sha256::digest(format!("{run}\n{turn}\n{part}"));
    let hex: String = digest.iter().take(9).map(|byte| format!("{byte:02X}")).collect();
    format!("3EB0{hex}")
}

/// How long a run may go on (R5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub idle: SignedDuration,
    pub hard: SignedDuration,
}

impl Limits {
    pub fn of(group: &Group, settings: &Settings) -> Self {
        let millis = |ms: u64| SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX / 2));
        let idle = millis(settings.idle_timeout);
        let hard = millis(group.timeout.unwrap_or(settings.container_timeout));
        Limits { idle, hard: hard.max(idle + SignedDuration::from_secs(30)) }
    }
}

/// What is to happen to a run at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It was idle for long enough: write `close`.
    Close,
    /// It gave no result for too long: stop it.
    Stop,
}

/// A run's times.
#[derive(Clone, Debug)]
pub struct Clock {
    pub kind: RunKind,
    pub started_at: Timestamp,
    pub last_result_at: Option<Timestamp>,
    pub limits: Limits,
    /// When `close` was written.
    pub closing_at: Option<Timestamp>,
}

/// How long a run that has nothing to do may take to end after `close`.
const CLOSING: SignedDuration = SignedDuration::from_secs(30);

impl Clock {
    /// The next deadline. `busy`: a turn is open. Only results push the hard limit back; while the run waits for follow-ups
    /// the idle limit counts, from the last result or, kept warm, from the start.
    pub fn due(&self, busy: bool) -> (Timestamp, Due) {
        let after = |since: Timestamp, wait: SignedDuration| since.checked_add(wait).unwrap_or(Timestamp::MAX);
        let since = self.last_result_at.unwrap_or(self.started_at);
        match self.closing_at {
            _ if busy => (after(since, self.limits.hard), Due::Stop),
            Some(closing_at) => (after(closing_at, CLOSING), Due::Stop),
            None => (after(since, self.limits.idle), Due::Close),
        }
    }
}

/// Whether a run ended well (R4, R5): by itself with code 0, or stopped for its time-out after it had given a result.
pub fn ended_well(code: i64, timed_out: bool, gave_result: bool) -> bool {
    if timed_out { gave_result } else { code == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(id: u64, from: Seq, to: Seq) -> Turn {
        Turn { id, from, to }
    }

    #[test]
    fn a_result_answers_its_turn_and_those_before() {
        // C1, A3
        let open = [turn(1, 0, 2), turn(2, 2, 3), turn(3, 3, 9)];
        assert_eq!(answered(&open, Some(2)), [1, 2]);
        assert_eq!(answered(&open, None), [1, 2, 3]);
        assert_eq!(answered(&open, Some(0)), [0; 0]);
    }

    #[test]
    fn only_what_was_not_answered_goes_back() {
        // C1
        assert_eq!(rollback(&[]), None);
        assert_eq!(rollback(&[turn(2, 2, 5), turn(3, 5, 6)]), Some(2));
    }

    #[test]
    fn ids_are_fixed_by_run_turn_and_part() {
        // M13, C1
        let id = message_id("main-1", 1, 0);
        assert_eq!(id, message_id("main-1", 1, 0));
        assert_eq!((id.len(), &id[..4]), (22, "3EB0"));
        for other in [
            message_id("main-2", 1, 0),
            message_id("main-1", 2, 0),
            message_id("main-1", 1, 1),
            message_id("main-", 11, 0),
        ] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn idle_after_a_result_hard_without_one() {
        // R5
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let limits = Limits { idle: SignedDuration::from_secs(300), hard: SignedDuration::from_secs(1800) };
        let mut clock =
            Clock { kind: RunKind::Messages, started_at: at(1000), last_result_at: None, limits, closing_at: None };
        assert_eq!(clock.due(true), (at(2800), Due::Stop), "no result yet");
        assert_eq!(clock.due(false), (at(1300), Due::Close), "kept warm: idle counts from the start");
        clock.last_result_at = Some(at(2000));
        assert_eq!(clock.due(true), (at(3800), Due::Stop), "a result resets the hard limit");
        assert_eq!(clock.due(false), (at(2300), Due::Close));
        clock.closing_at = Some(at(2300));
        assert_eq!(clock.due(false), (at(2330), Due::Stop), "told to close, but does not");
        assert_eq!(clock.due(true), (at(3800), Due::Stop), "told to close, and still answering");
    }

    #[test]
    fn timed_out_after_output_is_success() {
        // R5
        for (code, timed_out, gave_result, well) in [
            (0, false, false, true),
            (1, false, true, false),
            (143, true, true, true),
            (143, true, false, false),
            (0, true, false, false),
        ] {
            assert_eq!(ended_well(code, timed_out, gave_result), well, "{code} {timed_out} {gave_result}");
        }
    }
}
