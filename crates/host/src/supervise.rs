//! A part of NanoClaw that fails is started again and shown, never silent.
//!
//! Each edge goes on by itself after a pause, with what it was told meanwhile, and says `Broke`; the loop shows that for a
//! while. What can't be started again (the loop, and the desks where the edges take their orders) ends NanoClaw: the next
//! start puts in order what it left (C3). The panic itself is logged where it happens (`logging`).

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;

/// How long a part has to hold until its failure is forgotten.
pub(crate) const WELL: Duration = Duration::from_secs(600);

const FIRST: Duration = Duration::from_secs(2);
/// What fails at each start must not knock at WhatsApp's door all the time.
const LONGEST: Duration = Duration::from_secs(300);

/// Waits for the end of a part; false when it failed.
pub(crate) async fn holds(part: impl Future<Output = ()>) -> bool {
    AssertUnwindSafe(part).catch_unwind().await.is_ok()
}

/// The pauses between a part's failures and its next starts.
pub(crate) struct Pauses {
    started: Instant,
    next: Duration,
}

impl Pauses {
    /// The part is started now.
    pub(crate) fn new() -> Self {
        Pauses { started: Instant::now(), next: FIRST }
    }

    /// It failed now: how long until it is started again. The longer, the more often it failed.
    pub(crate) fn next(&mut self, now: Instant) -> Duration {
        let pause = if now.duration_since(self.started) >= WELL { FIRST } else { self.next };
        self.started = now + pause;
        self.next = (pause * 2).min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_the_part_has_held() {
        let mut pauses = Pauses::new();
        let mut now = pauses.started;
        let mut fails_after = |held: u64| {
            now += Duration::from_secs(held);
            let pause = pauses.next(now);
            now += pause;
            pause.as_secs()
        };
        let grown: Vec<u64> = (0..10).map(|_| fails_after(1)).collect();
        assert_eq!(grown, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!([fails_after(599), fails_after(600), fails_after(0)], [300, 2, 4]);
    }
}
