//! Named moments at which a test may have NanoClaw die, or panic: `NANOCLAW_DIE_AT=result:3` is the third time that a result is
//! read, `NANOCLAW_PANIC_AT=result:3` the same. In process, a test says so by [`meet`], and drops what goes on elsewhere.
//!
//! Nothing of this is in a build without the feature `fake-peers`. Called where a death between two lines would show whether
//! what is promised (M12, M13, C1) is kept; `cargo xtask chaos` and the orchestrator's `rounds` name them.

#[cfg(any(test, feature = "fake-peers"))]
mod fate {
    use std::sync::{LazyLock, Mutex, PoisonError};

    struct Fate {
        name: String,
        /// How often it is passed until it comes.
        left: u32,
        end: End,
    }

    #[derive(Clone, Copy)]
    enum End {
        Kill,
        Panic,
        #[cfg(test)]
        Drop,
    }

    static FATE: LazyLock<Mutex<Option<Fate>>> = LazyLock::new(|| {
        let named = [("NANOCLAW_DIE_AT", End::Kill), ("NANOCLAW_PANIC_AT", End::Panic)];
        Mutex::new(named.into_iter().find_map(|(variable, end)| {
            let fate = std::env::var(variable).ok()?;
            let (name, left) = fate.split_once(':')?;
            Some(Fate { name: name.to_owned(), left: left.parse().ok()?, end })
        }))
    });

    /// Dies here, at once and with nothing put in order, or panics, where this is the moment that was named.
    #[allow(clippy::panic, reason = "what a panic does is what a test wants to see")]
    pub(crate) fn moment(name: &str) {
        let met = FATE.lock().unwrap_or_else(PoisonError::into_inner).take_if(|fate| {
            let here = fate.name == name;
            fate.left -= u32::from(here && fate.left > 0);
            here && fate.left == 0
        });
        match met.map(|fate| fate.end) {
            None => {}
            Some(End::Panic) => panic!("this is the moment {name}"),
            Some(End::Kill) => {
                let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            }
            #[cfg(test)]
            Some(End::Drop) => {
                MET.notify_one();
                // Quiet, as it is no fault.
                std::panic::resume_unwind(Box::new("a moment"));
            }
        }
    }

    /// Told when the moment of [`meet`] has come.
    #[cfg(test)]
    pub(crate) static MET: tokio::sync::Notify = tokio::sync::Notify::const_new();

    /// Whoever comes to this moment for the `times`th time, from 1, goes no further. `None`: nobody meets any.
    #[cfg(test)]
    pub(crate) fn meet(moment: Option<(&str, u32)>) {
        let fate = moment.map(|(name, left)| Fate { name: name.to_owned(), left, end: End::Drop });
        *FATE.lock().unwrap_or_else(PoisonError::into_inner) = fate;
    }
}

#[cfg(any(test, feature = "fake-peers"))]
pub(crate) use fate::moment;
#[cfg(test)]
pub(crate) use fate::{MET, meet};

#[cfg(not(any(test, feature = "fake-peers")))]
pub(crate) fn moment(_: &str) {}
