//! Named moments at which a test may have NanoClaw die: `NANOCLAW_DIE_AT=result:3` is the third time that a result is read.
//!
//! Nothing of this is in a build without the feature `fake-peers`. Called where a death between two lines would show whether
//! what is promised (M12, M13, C1) is kept; `cargo xtask chaos` names them.

/// Dies here, at once and with nothing put in order, where this is the moment that the environment names.
#[cfg(feature = "fake-peers")]
pub(crate) fn moment(name: &str) {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    };

    static FATE: LazyLock<Option<(String, AtomicU32)>> = LazyLock::new(|| {
        let fate = std::env::var("NANOCLAW_DIE_AT").ok()?;
        let (name, times) = fate.split_once(':')?;
        Some((name.to_owned(), AtomicU32::new(times.parse().ok()?)))
    });
    if let Some((fated, left)) = &*FATE
        && fated == name
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

#[cfg(not(feature = "fake-peers"))]
pub(crate) fn moment(_: &str) {}
