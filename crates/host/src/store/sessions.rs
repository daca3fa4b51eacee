//! Kiro's session of each group, by its real id (R11).

use anyhow::Result;
use nanoclaw_core::group::Folder;
use rusqlite::{Connection, OptionalExtension};

/// # Errors
/// What SQLite says.
pub fn get(connection: &Connection, folder: &Folder) -> Result<Option<String>> {
    Ok(connection
        .prepare_cached("SELECT session_id FROM sessions WHERE group_folder = ?1")?
        .query_row([folder.as_str()], |row| row.get(0))
        .optional()?)
}

/// # Errors
/// What SQLite says.
pub fn set(connection: &Connection, folder: &Folder, session: &str) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO sessions (group_folder, session_id) VALUES (?1, ?2)
             ON CONFLICT (group_folder) DO UPDATE SET session_id = excluded.session_id",
        )?
        .execute([folder.as_str(), session])?;
    Ok(())
}
