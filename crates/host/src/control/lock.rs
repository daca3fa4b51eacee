//! Who owns a Home: the process that holds the lock on `<Home>/control.lock`. The system releases it when that process
//! ends, however it ends, so that nothing has to be cleaned up after a kill.

use std::{fs, io};

use nanoclaw_core::problem::Trouble;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use crate::paths::Home;

/// The Home is this process's until this is dropped. Whoever has it may replace the control socket.
#[derive(Debug)]
pub struct HomeLock {
    _file: fs::File,
}

impl HomeLock {
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
