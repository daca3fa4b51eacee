//! The system's ways to ask a program to end. Heard by `nanoclawctl run` and by the desktop.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C, SIGTERM and the terminal's end, from when this is made.
#[derive(Debug)]
pub struct Quit {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Quit {
    /// # Errors
    /// When signals can't be heard.
    pub fn hear() -> io::Result<Quit> {
        Ok(Quit {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
