//! Sleeps until the next task is due (S1). The loop owns it, tells it after each change which task comes next, and claims
//! what is due.
//!
//! It goes by the clock on the wall: while a computer sleeps, timers stand still (S5).

use std::time::Duration;

use jiff::Timestamp;
use nanoclaw_core::status::NextTask;

/// How often it looks at the clock while a task is planned.
const LOOK: Duration = Duration::from_secs(30);
/// After the database could not be read or written, how long until it is tried again.
const AGAIN: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub struct Scheduler {
    next: Option<NextTask>,
    not_before: Option<Timestamp>,
}

impl Scheduler {
    pub fn start() -> Scheduler {
        tracing::info!("Scheduler loop started");
        Scheduler::default()
    }

    pub fn set(&mut self, next: Option<NextTask>) {
        self.next = next;
        self.not_before = None;
    }

    pub fn next(&self) -> Option<&NextTask> {
        self.next.as_ref()
    }

    /// What is due could not be claimed: waits a while.
    pub fn put_off(&mut self, now: Timestamp) {
        self.not_before = Some(now + AGAIN);
    }

    /// Waits until the next task is due; for ever where none is planned.
    pub async fn due(&self, clock: impl Fn() -> Timestamp) {
        let Some(next) = &self.next else { return std::future::pending().await };
        let at = self.not_before.map_or(next.at, |not_before| next.at.max(not_before));
        while let Ok(wait) = Duration::try_from(at.duration_since(clock()))
            && !wait.is_zero()
        {
            tokio::time::sleep(wait.min(LOOK)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use jiff::SignedDuration;
    use tokio::time::Instant;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn planned(second: i64) -> Scheduler {
        let mut scheduler = Scheduler::start();
        scheduler.set(Some(NextTask { task_id: "t".into(), group: "main".into(), at: at(second) }));
        scheduler
    }

    #[tokio::test(start_paused = true)]
    async fn sleeps_until_the_task_is_due() {
        // S1
        let start = Instant::now();
        let clock = || at(0) + start.elapsed();
        planned(100).due(clock).await;
        assert_eq!(start.elapsed().as_secs(), 100);
        planned(-5).due(clock).await;
        assert_eq!(start.elapsed().as_secs(), 100, "past already");
        let mut scheduler = planned(50);
        scheduler.put_off(at(100));
        scheduler.due(clock).await;
        assert_eq!(start.elapsed().as_secs(), 160);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleeping_computer_holds_it_up_no_longer_than_a_look() {
        // S5: its timer stands still for an hour, the clock on the wall does not.
        let start = Instant::now();
        let slept = Cell::new(false);
        let clock = || {
            let ran = start.elapsed();
            let lid = if slept.replace(true) { SignedDuration::from_hours(1) } else { SignedDuration::ZERO };
            at(0) + ran + lid
        };
        planned(1800).due(clock).await;
        assert_eq!(start.elapsed(), LOOK);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_planned_is_no_wait() {
        let waited = tokio::time::timeout(Duration::from_secs(3600), Scheduler::start().due(|| at(0))).await;
        assert!(waited.is_err());
    }
}
