//! The way to the end, once a person quits (Q6).

use std::{sync::atomic::Ordering, time::Duration};

use jiff::Timestamp;

use super::{GRACE, State, now};
use crate::ports::ToEngine;

/// How long working runs may go on after a person quits, before they are stopped (Q6).
const FINISH: Duration = Duration::from_secs(10);
/// How long the last texts may take to go out while quitting.
const LAST_TEXTS: Duration = Duration::from_secs(3);

/// How far quitting has come (Q6).
pub(super) struct Quitting {
    begun: bool,
    stopped: bool,
    stop_at: Timestamp,
    give_up_at: Timestamp,
    texts_by: Option<Timestamp>,
}

impl Quitting {
    pub(super) fn begin() -> Self {
        let stop_at = now() + FINISH;
        Quitting {
            begun: false,
            stopped: false,
            stop_at,
            give_up_at: stop_at + GRACE + Duration::from_secs(2),
            texts_by: None,
        }
    }

    pub(super) fn next(&self) -> Timestamp {
        self.texts_by.unwrap_or(if self.stopped { self.give_up_at } else { self.stop_at })
    }
}

impl State {
    /// Takes one more step towards the end (Q6); true when all is done.
    pub(super) fn quit(&mut self, quitting: &mut Quitting) -> bool {
        if !quitting.begun {
            quitting.begun = true;
            self.accepting.store(false, Ordering::SeqCst);
            self.leave_kiro();
            let runs: Vec<_> = self.runs.keys().cloned().collect();
            runs.iter().for_each(|run| self.close_run(run));
        }
        if !self.runs.is_empty() {
            if !quitting.stopped && now() >= quitting.stop_at {
                quitting.stopped = true;
                for run in self.runs.keys() {
                    self.send_engine(ToEngine::Stop { run: run.clone(), grace: GRACE });
                }
            }
            return now() >= quitting.give_up_at;
        }
        let texts_wait = self.link.is_connected() && self.waiting_out.0 > 0;
        let texts_by = *quitting.texts_by.get_or_insert_with(|| now() + LAST_TEXTS);
        // A check's container is gone when it is over.
        !(texts_wait || self.kiro.checking) || now() >= texts_by
    }
}
