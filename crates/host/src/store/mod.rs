//! The store: one SQLite database with one writer.
//!
//! The connection lives on a thread of its own; the loop and the edges hand it closures and await the answer, so nothing
//! async ever waits on the disk. A pool was not taken: every statement here is short, and one writer makes the order of
//! arrival (C2) the order of commits. Each table has its own file with its rows and queries, as plain functions on a
//! connection; what must be atomic across tables is one closure that runs in one transaction.
//!
//! Durability: WAL with `synchronous = FULL`, so that a committed message survives a power cut too (M12, M13).

pub mod chats;
pub mod cursors;
pub mod groups;
pub mod import;
pub mod lids;
pub mod messages;
pub mod outbox;
pub mod parked;
mod reserve;
pub mod retention;
pub mod sessions;
pub mod tasks;
pub mod trace;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use nanoclaw_core::problem::Trouble;
pub use reserve::reserve;
pub use rusqlite::Transaction;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rusqlite_migration::{M, Migrations};
use tokio::sync::oneshot;

const MIGRATIONS: &[&str] = &[
    include_str!("migrations/001_first.sql"),
    include_str!("migrations/002_trace.sql"),
    include_str!("migrations/003_calls.sql"),
    include_str!("migrations/004_lids.sql"),
];

/// How long another program may hold the database before we say so.
const BUSY: Duration = Duration::from_secs(2);

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// What was to be done failed in the middle; nothing of it was kept.
#[derive(Debug)]
pub struct Broke;

impl std::fmt::Display for Broke {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("the part of NanoClaw that keeps the database failed")
    }
}

impl std::error::Error for Broke {}

/// A handle to the store; clones share it. When the last one is dropped the thread ends and the database is closed.
#[derive(Clone)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
}

impl Store {
    /// Opens the database, bringing an older one up to date.
    ///
    /// # Errors
    /// A trouble that says why: newer than we know, held by another program, or not to be opened. Nothing was changed then.
    pub fn open(path: &Path) -> Result<Store, Trouble> {
        let connection = connect(path)?;
        reserve(path);
        Store::on(connection)
    }

    /// The store on a connection of [`connect`].
    pub(crate) fn on(mut connection: Connection) -> Result<Store, Trouble> {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                while let Ok(job) = queue.recv() {
                    // Whoever waits for one that fails is told so; its transaction is undone.
                    let _ = catch_unwind(AssertUnwindSafe(|| job(&mut connection)));
                }
            })
            .map_err(|error| Trouble::DatabaseBroken { reason: error.to_string() })?;
        Ok(Store { jobs })
    }

    /// Runs `work` in one transaction: all of it is kept, or on an error nothing.
    ///
    /// # Errors
    /// What `work` returns, or what SQLite says at the commit (a full disk).
    pub async fn write<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            let result = work(&transaction)?;
            transaction.commit().context("the database could not keep it")?;
            Ok(result)
        })
        .await
    }

    /// Runs `work` on the connection, for reading.
    ///
    /// # Errors
    /// What `work` returns.
    pub async fn read<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.call(move |connection| work(connection)).await
    }

    async fn call<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |connection: &mut Connection| {
            // Nobody may wait for the answer any more; the work is done all the same.
            let _ = reply.send(work(connection));
        });
        self.jobs.send(job).map_err(|_| Broke)?;
        answer.await.map_err(|_| Broke)?
    }
}

/// Brings the database up to date and takes it.
pub(crate) fn connect(path: &Path) -> Result<Connection, Trouble> {
    let known = MIGRATIONS.len();
    let open = || -> Result<Connection, rusqlite_migration::Error> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        connection.set_prepared_statement_cache_capacity(64);
        // Takes the write lock at once: a database that somebody else holds is noticed here, not at the first message.
        connection.execute_batch("BEGIN IMMEDIATE; COMMIT;")?;
        Migrations::new(MIGRATIONS.iter().map(|sql| M::up(sql)).collect()).to_latest(&mut connection)?;
        Ok(connection)
    };
    // Asked on a connection of its own that changes nothing: a newer database is left exactly as it is.
    if path.exists() {
        let found = user_version(path).map_err(|error| trouble(&error))?;
        if found > known as u64 {
            return Err(Trouble::DatabaseNewer { found, known: known as u64 });
        }
    }
    private(path).map_err(|error| Trouble::DatabaseBroken { reason: error.to_string() })?;
    let connection = open().map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => trouble(&err),
        other => Trouble::DatabaseBroken { reason: other.to_string() },
    })?;
    Ok(connection)
}

fn user_version(path: &Path) -> rusqlite::Result<u64> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(BUSY)?;
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn trouble(error: &rusqlite::Error) -> Trouble {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Trouble::DatabaseLocked,
        _ => Trouble::DatabaseBroken { reason: error.to_string() },
    }
}

/// Chats are for their owner's eyes alone; the files that SQLite puts beside the database take its mode.
fn private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?;
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(())
}

/// This install's random id, made at the first call: a label on its containers, so that only those are ever touched (Q6).
///
/// # Errors
/// When the database can't be read or written.
pub fn install_id(connection: &Connection) -> Result<String> {
    connection.execute(
        "INSERT INTO router_state (key, value) VALUES ('install', lower(hex(randomblob(8)))) ON CONFLICT DO NOTHING",
        [],
    )?;
    Ok(connection.query_row("SELECT value FROM router_state WHERE key = 'install'", [], |row| row.get(0))?)
}

/// What holds until it is taken back, over restarts too.
#[derive(Clone, Copy, Debug)]
pub enum Flag {
    /// The user has paused everything.
    Paused,
    /// Main's agent has answered once.
    Answered,
}

impl Flag {
    fn key(self) -> &'static str {
        match self {
            Flag::Paused => "paused",
            Flag::Answered => "answered",
        }
    }

    /// # Errors
    /// When the database can't be read.
    pub fn is_set(self, connection: &Connection) -> Result<bool> {
        Ok(connection.prepare_cached("SELECT 1 FROM router_state WHERE key = ?1")?.exists([self.key()])?)
    }

    /// # Errors
    /// When the database can't be written.
    pub fn set(self, connection: &Connection, on: bool) -> Result<()> {
        let change = match on {
            true => "INSERT INTO router_state (key, value) VALUES (?1, '1') ON CONFLICT DO NOTHING",
            false => "DELETE FROM router_state WHERE key = ?1",
        };
        connection.prepare_cached(change)?.execute([self.key()])?;
        Ok(())
    }
}

/// A stored time. The Node.js service wrote the same form.
fn time(text: &str) -> Timestamp {
    text.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
