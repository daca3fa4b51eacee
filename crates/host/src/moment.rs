//! Named moments at which a test may have NanoClaw die, or panic: `NANOCLAW_DIE_AT=result:3` is the third time that a result is
//! read, `NANOCLAW_PANIC_AT=result:3` the same.
//!
//! Nothing of this is in a build without the feature `fake-peers`. Called where a death between two lines would show whether
//! what is promised (M12, M13, C1) is kept; `cargo xtask chaos` names them.

/// Dies here, at once and with nothing put in order, or panics, where this is the moment that the environment names.
#[cfg(feature = "fake-peers")]
#[allow(clippy::panic, reason = "what a panic does is what a test wants to see")]
pub(crate) fn moment(name: &str) {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    };

    struct Fate {
        name: String,
        left: AtomicU32,
        panics: bool,
    }
    static FATE: LazyLock<Option<Fate>> = LazyLock::new(|| {
        [("NANOCLAW_DIE_AT", false), ("NANOCLAW_PANIC_AT", true)].into_iter().find_map(|(variable, panics)| {
            let fate = std::env::var(variable).ok()?;
            let (name, times) = fate.split_once(':')?;
            Some(Fate { name: name.to_owned(), left: AtomicU32::new(times.parse().ok()?), panics })
        })
    });
    if let Some(fate) = &*FATE
        && fate.name == name
        && fate.left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        if fate.panics {
            panic!("this is the moment {name}");
        }
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

#[cfg(not(feature = "fake-peers"))]
pub(crate) fn moment(_: &str) {}
