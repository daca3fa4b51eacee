//! Whether anybody still reads our stdout.
//!
//! As a process of the host nothing else says that NanoClaw was killed: stdin's end is no more than "nothing comes after this",
//! and what was asked before is still worked on. In a container the engine reads, and goes on after NanoClaw.
//! A thread waits, because a pipe that is only watched for its end fits no other wait; it ends with the program.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use tokio::sync::oneshot;

/// Waits until stdout is a pipe that nobody reads any more; with any other stdout for ever.
pub async fn gone() {
    let (sender, gone) = oneshot::channel();
    std::thread::spawn(move || {
        let stdout = std::io::stdout();
        // Errors and hang-ups are told without being asked for.
        if retry_on_intr(|| poll(&mut [PollFd::new(&stdout, PollFlags::empty())], None)).is_ok() {
            let _ = sender.send(());
        }
    });
    if gone.await.is_err() {
        std::future::pending().await
    }
}
