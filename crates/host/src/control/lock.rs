//! Who owns a Home: the process that holds the lock on `<Home>/control.lock`. The system releases it when that process
//! ends, however it ends, so that nothing has to be cleaned up after a kill.

use std::{fs, io, time::Duration};

use nanoclaw_core::problem::Trouble;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use tokio::time::{Instant, sleep, timeout_at};

use super::Client;
use crate::paths::Home;

/// How long what a killed process leaves behind may have its lock: a child that it was just making has all that it had open,
/// until that is a program of its own.
const LEFT_BEHIND: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

/// The Home is this process's until this is dropped. Whoever has it may replace the control socket.
#[derive(Debug)]
pub struct HomeLock {
    _file: fs::File,
}

impl HomeLock {
    /// Takes the lock of a Home whose folders exist. One whose owner answers nobody is waited for, for two seconds.
    ///
    /// # Errors
    /// As [`HomeLock::take`].
    pub async fn take_over(home: &Home) -> Result<HomeLock, Trouble> {
        let until = Instant::now() + LEFT_BEHIND;
        loop {
            match HomeLock::take(home) {
                Err(Trouble::HomeInUse { .. })
                    if Instant::now() < until && !timeout_at(until, is_served(home)).await.unwrap_or(false) =>
                {
                    sleep(LOOK).await;
                }
                taken => return taken,
            }
        }
    }

    /// Takes the lock of a Home whose folders exist.
    ///
    /// # Errors
    /// [`Trouble::HomeInUse`] when another process has it.
    pub fn take(home: &Home) -> Result<HomeLock, Trouble> {
        let path = home.lock();
        let broken = |error: io::Error| Trouble::Internal { reason: format!("{}: {error}.", path.display()) };
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(broken)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(HomeLock { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(Trouble::HomeInUse { home: home.root().display().to_string() }),
            Err(error) => Err(broken(error.into())),
        }
    }
}

/// Whether somebody answers at the Home's socket. That it takes connections says nothing: what is left behind may have it open.
async fn is_served(home: &Home) -> bool {
    let answer = async { Client::connect(home).await?.watch().await?.next().await };
    matches!(answer.await, Ok(Some(_)))
}
