//! Sleeps until the next task is due (S1). Called by the loop, which is told which task comes next.
//!
//! Claiming and running tasks is not here yet: a task whose time has come is passed over.

use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use nanoclaw_core::status::NextTask;
use tokio::sync::watch;

use crate::store::{Store, tasks};

/// After the database could not be read, how long until it is tried again.
const AGAIN: Duration = Duration::from_secs(60);

/// A handle to the scheduler's loop, which ends with it.
pub struct Scheduler {
    next: watch::Receiver<Option<NextTask>>,
}

impl Scheduler {
    pub fn next(&self) -> Option<NextTask> {
        self.next.borrow().clone()
    }

    /// Waits until another task comes next.
    pub async fn changed(&mut self) {
        if self.next.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Starts the scheduler's loop.
pub fn start(store: Store) -> Scheduler {
    let (told, next) = watch::channel(None);
    tokio::spawn(async move {
        tracing::info!("Scheduler loop started");
        while !told.is_closed() {
            match announce(&store, &told).await {
                Ok(Some(wait)) => tokio::time::sleep(wait).await,
                Ok(None) => told.closed().await,
                Err(error) => {
                    tracing::error!("{error:#}");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    });
    Scheduler { next }
}

/// Tells which task comes next; how long until then.
async fn announce(store: &Store, told: &watch::Sender<Option<NextTask>>) -> Result<Option<Duration>> {
    let now = Timestamp::now();
    let next = store.read(move |db| tasks::next(db, now)).await?;
    let wait = next.as_ref().map(|next| Duration::try_from(next.at.duration_since(now)).unwrap_or_default());
    told.send_if_modified(|last| std::mem::replace(last, next.clone()) != next);
    Ok(wait)
}
