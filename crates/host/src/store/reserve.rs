//! Room that is taken beforehand, so that a full disk, which any agent can make, loses nothing (M12, M13): what arrives and
//! what is answered is still kept.
//!
//! SQLite writes a change to the log beside the database, then into the file. Both are made long enough: the file keeps the
//! pages that are free in it; the log keeps its length while anybody has the database open, and is begun anew when all of it
//! is in the file, which is tried at 1000 pages. Called at the start, for our database and for the one of WhatsApp's library,
//! which takes a message that it could not keep for one that it has seen.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::BUSY;

/// Bytes: 1000 pages of 4 KiB, and those of the change that comes then.
const ROOM: u64 = 5 << 20;

/// Takes the room, in a database that somebody has open and nobody is using just now: it would be locked for him. What was
/// taken before is used again.
pub fn reserve(database: &Path) {
    if let Err(error) = take(database) {
        tracing::warn!(database = %database.display(), %error, "No room could be reserved for a database");
    }
}

fn take(database: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch(&format!(
        "PRAGMA wal_autocheckpoint = 0;
         DROP TABLE IF EXISTS nanoclaw_reserve;
         CREATE TABLE nanoclaw_reserve (room BLOB);
         INSERT INTO nanoclaw_reserve VALUES (zeroblob({ROOM}));
         DROP TABLE nanoclaw_reserve;
         PRAGMA wal_checkpoint(PASSIVE);"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_stays_and_is_taken_once() {
        // M12
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.db");
        let user = Connection::open(&path).unwrap();
        user.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1);").unwrap();
        let sizes = || ["a.db", "a.db-wal"].map(|name| std::fs::metadata(place.path().join(name)).unwrap().len());
        take(&path).unwrap();
        let taken = sizes();
        assert!(taken.iter().all(|size| *size > ROOM), "{taken:?}");
        take(&path).unwrap();
        for _ in 0..2000 {
            user.execute("INSERT INTO t VALUES (zeroblob(100))", []).unwrap();
        }
        let free: u64 = user.query_row("PRAGMA freelist_count", [], |row| row.get(0)).unwrap();
        assert!(sizes()[0] == taken[0] && sizes()[1] < taken[1] + (1 << 20) && free > 1000, "{taken:?} {:?}", sizes());
        let tables: u64 = user.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        assert_eq!(tables, 1);
    }
}
