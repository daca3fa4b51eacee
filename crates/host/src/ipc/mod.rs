//! The files between the agents and the host (I1–I8, R8): requests come in, answers and snapshots go out.
//!
//! | module | owns |
//! |---|---|
//! | `mod` | the one thread that touches these folders, what wakes it, and what the loop tells it |
//! | `inbox` | finding and reading requests in a folder that an agent can write to |
//! | `outbox` | writing files into such a folder, whole or not at all |
//!
//! A thread of its own, because a folder that an agent fills can be slow. File events wake it; while a run lives it looks
//! once a second besides, as not every engine passes events on (I7). Nothing is decided here: who may ask for what is
//! `nanoclaw_core::authorize`, and the loop does it.

mod inbox;
mod outbox;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc as jobs,
    },
    thread,
    time::{Duration, Instant},
};

use nanoclaw_core::group::Folder;
use nanoclaw_protocol::ipc::{IpcFile, IpcResult, MESSAGES, TASKS};
use notify::{
    EventKind, RecursiveMode, Watcher,
    event::{MetadataKind, ModifyKind},
};
use tokio::sync::{mpsc, oneshot};

use crate::{moment::moment, supervise::Pauses};
use inbox::Inbox;

/// How often it looks while a run lives (I7), and what a second is for the flood limit (I4).
const POLL: Duration = Duration::from_secs(1);
/// Answers older than this are removed (I8): nobody waits for them any more.
const ANSWER_LIFE: Duration = Duration::from_secs(60);

/// What came from an agent. The folder is the one that the file lay in (I2).
#[derive(Debug)]
pub enum FromIpc {
    /// To be answered by [`Ipc::answer`]; until then its file stays, and at most 100 of a folder are open.
    Request { source: Folder, file: Box<IpcFile>, ticket: Ticket },
    /// A file that was refused unread, moved away or removed (I4).
    Refused { source: Folder, reason: String },
    /// The thread failed, and goes on; it may have forgotten which groups have a run.
    Broke,
}

/// Names a request's file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    source: Folder,
    box_name: &'static str,
    file: Vec<u8>,
    /// Who waits for an answer.
    id: Option<String>,
}

impl Ticket {
    /// The same for the same file.
    pub fn name(&self) -> String {
        let id = self.id.as_deref().unwrap_or_default();
        format!("ipc {} {} {} {id}", self.source, self.box_name, hex::encode(&self.file))
    }
}

/// A handle to the thread, which ends with it.
#[derive(Debug)]
pub struct Ipc {
    jobs: jobs::Sender<Job>,
    live: BTreeSet<Folder>,
}

enum Job {
    /// Something changed in a watched folder.
    Look,
    /// These groups have a run.
    Live(BTreeSet<Folder>),
    Answer(Ticket, IpcResult),
    Snapshots(Folder, Vec<(&'static str, String)>, oneshot::Sender<()>),
    End,
}

impl Drop for Ipc {
    fn drop(&mut self) {
        // The watcher sends jobs too: the queue never ends by itself.
        let _ = self.jobs.send(Job::End);
    }
}

impl Ipc {
    /// Starts the thread. `root` is the Home's `ipc/`. Requests of `groups` that an earlier process left are read at once.
    ///
    /// # Errors
    /// When no thread can be started or the platform can't watch files.
    pub fn start(root: PathBuf, groups: BTreeSet<Folder>, events: mpsc::UnboundedSender<FromIpc>) -> io::Result<Ipc> {
        let (jobs, queue) = jobs::channel();
        let watcher = watcher(jobs.clone()).map_err(io::Error::other)?;
        let broke = events.clone();
        let mut post = Post { watcher: Box::new(watcher.0), looked: watcher.1, inboxes: BTreeMap::new(), root, events };
        thread::Builder::new().name("ipc".to_owned()).spawn(move || {
            let (mut groups, mut pauses) = (groups, Pauses::new());
            let mut serve = || {
                post.leftovers(std::mem::take(&mut groups));
                post.serve(&queue);
            };
            while catch_unwind(AssertUnwindSafe(&mut serve)).is_err() {
                // The loop ends last.
                let _ = broke.send(FromIpc::Broke);
                thread::sleep(pauses.next(Instant::now()));
            }
        })?;
        Ok(Ipc { jobs, live: BTreeSet::new() })
    }

    /// Tells which groups have a run: theirs are the folders that are watched.
    pub fn live(&mut self, live: BTreeSet<Folder>) {
        if live != self.live {
            self.live.clone_from(&live);
            self.job(Job::Live(live));
        }
    }

    /// Answers a request (I8) and removes its file.
    pub fn answer(&self, ticket: Ticket, result: IpcResult) {
        self.job(Job::Answer(ticket, result));
    }

    /// Writes snapshots (R8), each a file name and its JSON; returns when they are there.
    pub async fn snapshots(&self, group: Folder, files: Vec<(&'static str, String)>) {
        let (done, written) = oneshot::channel();
        self.job(Job::Snapshots(group, files, done));
        // Without the thread there is no reader either.
        let _ = written.await;
    }

    fn job(&self, job: Job) {
        if self.jobs.send(job).is_err() {
            tracing::error!("The IPC thread has ended");
        }
    }
}

/// A watcher that asks for one look, however much changes until that is done.
fn watcher(jobs: jobs::Sender<Job>) -> notify::Result<(impl Watcher + Send, Arc<AtomicBool>)> {
    let looked = Arc::new(AtomicBool::new(true));
    let asked = looked.clone();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading a folder is an event too, and so is removing a request: neither brings one.
        let brings = event.is_ok_and(|event| match event.kind {
            EventKind::Create(_) | EventKind::Any | EventKind::Other => true,
            EventKind::Modify(ModifyKind::Metadata(MetadataKind::Extended | MetadataKind::Any)) => false,
            EventKind::Modify(_) => true,
            EventKind::Access(_) | EventKind::Remove(_) => false,
        });
        if brings && asked.swap(false, Ordering::SeqCst) {
            // The thread ends before the watcher only at the very end.
            let _ = jobs.send(Job::Look);
        }
    })?;
    Ok((watcher, looked))
}

/// What the thread has.
struct Post {
    root: PathBuf,
    /// A group's inbox while it has a run, or requests that are not answered.
    inboxes: BTreeMap<Folder, Inbox>,
    watcher: Box<dyn Watcher + Send>,
    /// False while a look is asked for.
    looked: Arc<AtomicBool>,
    events: mpsc::UnboundedSender<FromIpc>,
}

impl Post {
    fn serve(&mut self, queue: &jobs::Receiver<Job>) {
        let mut polled = Instant::now();
        loop {
            let job = if self.inboxes.is_empty() {
                queue.recv().map_err(|_| jobs::RecvTimeoutError::Disconnected)
            } else {
                queue.recv_timeout(POLL.saturating_sub(polled.elapsed()))
            };
            match job {
                Ok(Job::Look) => {
                    self.looked.store(true, Ordering::SeqCst);
                    self.look();
                }
                Ok(Job::Live(live)) => self.live(live),
                Ok(Job::Answer(ticket, result)) => self.answered(&ticket, &result),
                Ok(Job::Snapshots(group, files, done)) => {
                    for (name, json) in files {
                        if let Err(error) = outbox::write(&self.root, &group, "", name, json.as_bytes()) {
                            tracing::warn!(%group, name, %error, "A snapshot can't be written");
                        }
                    }
                    // The run may have been given up meanwhile.
                    let _ = done.send(());
                }
                Err(jobs::RecvTimeoutError::Timeout) => {
                    polled = Instant::now();
                    self.look();
                }
                Ok(Job::End) | Err(jobs::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// What lies there from before the start.
    fn leftovers(&mut self, groups: BTreeSet<Folder>) {
        for group in groups.into_iter().filter(|group| self.root.join(group.as_str()).is_dir()) {
            self.inboxes.insert(group.clone(), Inbox::new(group));
        }
        self.look();
    }

    fn live(&mut self, live: BTreeSet<Folder>) {
        for group in &live {
            let inbox = self.inboxes.entry(group.clone()).or_insert_with(|| Inbox::new(group.clone()));
            if !std::mem::replace(&mut inbox.live, true) {
                for name in [MESSAGES, TASKS] {
                    if let Err(error) = outbox::make(&self.root, group, name) {
                        tracing::warn!(%group, name, %error, "An IPC folder can't be made");
                    }
                    let path = self.root.join(group.as_str()).join(name);
                    if let Err(error) = self.watcher.watch(&path, RecursiveMode::NonRecursive) {
                        tracing::warn!(%group, name, %error, "An IPC folder can't be watched; it is looked at instead");
                    }
                }
            }
        }
        for (group, inbox) in self.inboxes.iter_mut().filter(|(group, _)| !live.contains(*group)) {
            if std::mem::take(&mut inbox.live) {
                for name in [MESSAGES, TASKS] {
                    // It may be gone, or never have been watched.
                    let _ = self.watcher.unwatch(&self.root.join(group.as_str()).join(name));
                }
            }
        }
        self.look();
    }

    /// Takes in what lies in all inboxes, and lets go of those that nobody can fill any more.
    fn look(&mut self) {
        moment("reading");
        for inbox in self.inboxes.values_mut() {
            for event in inbox.take(&self.root) {
                // The loop ends last.
                let _ = self.events.send(event);
            }
        }
        self.inboxes.retain(|_, inbox| inbox.live || inbox.is_busy());
    }

    fn answered(&mut self, ticket: &Ticket, result: &IpcResult) {
        let group = &ticket.source;
        if let Some(id) = &ticket.id {
            let json = serde_json::to_vec(result).unwrap_or_default();
            if let Err(error) = outbox::answer(&self.root, group, id, &json, ANSWER_LIFE) {
                tracing::warn!(%group, %error, "An answer to an agent can't be written");
            }
        }
        if let Some(inbox) = self.inboxes.get_mut(group) {
            inbox.done(&self.root, ticket);
            if !inbox.live && !inbox.is_busy() {
                self.inboxes.remove(group);
            }
        }
    }
}

#[cfg(test)]
mod tests;
