//! Whether the Home's disk has room. Looked at whenever a status is told: an agent can fill it at any moment.

use nanoclaw_core::problem::Trouble;

use super::State;

/// Bytes that are enough: WhatsApp's messages, answers and logs of a day.
const ENOUGH: u64 = 64 << 20;

impl State {
    pub(super) fn look_at_disk(&mut self) {
        let Ok(disk) = rustix::fs::statvfs(self.home.root()) else { return };
        if disk.f_bavail.saturating_mul(disk.f_frsize) >= ENOUGH {
            self.recorded.remove(&Trouble::DiskFull);
        } else if self.recorded.insert(Trouble::DiskFull) {
            tracing::warn!("The disk is full, or nearly so");
        }
    }
}
