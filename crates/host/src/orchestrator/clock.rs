//! The one place where the loop reads the clock.

use std::time::Duration;

use jiff::Timestamp;

/// In the loop's own tests an hour passes in some seconds: what waits, for a retry or a limit, comes soon.
const SPEED: u32 = if cfg!(test) { 1000 } else { 1 };

#[cfg(not(test))]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
thread_local! {
    /// What time it is for a test that lets it pass by its own hand.
    pub(super) static STILL: std::cell::Cell<Option<Timestamp>> = const { std::cell::Cell::new(None) };
}

#[cfg(test)]
pub(super) fn now() -> Timestamp {
    if let Some(still) = STILL.get() {
        return still;
    }
    static BEGAN: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    Timestamp::from_second(1_800_000_000).unwrap() + BEGAN.elapsed() * SPEED
}

/// Returns at that time; never without one.
pub(super) async fn sleep_until(at: Option<Timestamp>) {
    match at {
        Some(at) => tokio::time::sleep(Duration::try_from(at.duration_since(now())).unwrap_or_default() / SPEED).await,
        None => std::future::pending().await,
    }
}
