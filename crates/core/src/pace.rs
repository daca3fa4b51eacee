//! How fast texts go out to one chat: an account that floods is banned. Whatever a person writes there allows one more, so that
//! an answer never waits.

use jiff::{SignedDuration, Timestamp};

/// Twenty texts at once, then one a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// When as much may go out as ever.
    full_at: Timestamp,
}

impl Pace {
    const EACH: SignedDuration = SignedDuration::from_secs(1);
    const BURST: SignedDuration = SignedDuration::from_secs(20);

    pub fn new(now: Timestamp) -> Self {
        Pace { full_at: now }
    }

    /// A person has written.
    pub fn earn(&mut self) {
        self.full_at -= Self::EACH;
    }

    /// Lets a text out.
    ///
    /// # Errors
    /// When the next one may go, where that is not now.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        // Farther away than that is a clock that was set back.
        self.full_at = self.full_at.clamp(now, now + Self::BURST);
        let may_go = self.full_at + Self::EACH - Self::BURST;
        if may_go > now {
            return Err(may_go);
        }
        self.full_at += Self::EACH;
        Ok(())
    }

    /// Whether it is as a new one.
    pub fn is_full(&self, now: Timestamp) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
    }

    #[test]
    fn twenty_at_once_then_one_a_second() {
        // M13
        let mut pace = Pace::new(at(0));
        assert!((0..20).all(|_| pace.take(at(500)).is_ok()));
        assert_eq!(pace.take(at(600)), Err(at(1500)));
        assert_eq!(pace.take(at(1499)), Err(at(1500)));
        assert_eq!(pace.take(at(1500)), Ok(()));
        assert_eq!(pace.take(at(1500)), Err(at(2500)));
        assert_eq!(pace.take(at(4600)), Ok(()));
        // What was not used is there still, and no more than twenty.
        assert_eq!([pace.take(at(4600)), pace.take(at(4600))], [Ok(()), Ok(())]);
        assert_eq!(pace.take(at(4600)), Err(at(5500)));
        assert!(!pace.is_full(at(20_000)) && pace.is_full(at(60_000)));
        assert!((0..20).all(|_| pace.take(at(100_000_000)).is_ok()));
        assert!(pace.take(at(100_000_000)).is_err());
    }

    #[test]
    fn an_answer_to_a_person_never_waits() {
        // M13, B2
        let mut pace = Pace::new(at(0));
        assert!((0..20).all(|_| pace.take(at(0)).is_ok()));
        for _ in 0..1000 {
            pace.earn();
            assert_eq!(pace.take(at(1)), Ok(()));
        }
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_up() {
        let mut pace = Pace::new(at(0));
        assert!((0..20).all(|_| pace.take(at(0)).is_ok()));
        assert_eq!(pace.take(at(-86_400_000)), Err(at(-86_399_000)));
        assert_eq!(pace.take(at(-86_399_000)), Ok(()));
    }
}
