//! Scheduled tasks.

use anyhow::Result;
use jiff::Timestamp;
use nanoclaw_core::status::{NextTask, rfc3339};
use rusqlite::{Connection, OptionalExtension};

use super::time;

/// The active task that is due next after `now`.
///
/// # Errors
/// What SQLite says.
pub fn next(connection: &Connection, now: Timestamp) -> Result<Option<NextTask>> {
    Ok(connection
        .prepare_cached(
            "SELECT id, group_folder, next_run FROM scheduled_tasks
             WHERE status = 'active' AND next_run > ?1 ORDER BY next_run LIMIT 1",
        )?
        .query_row([rfc3339(now)], |row| {
            Ok(NextTask { task_id: row.get(0)?, group: row.get(1)?, at: time(&row.get::<_, String>(2)?) })
        })
        .optional()?)
}
