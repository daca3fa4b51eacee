//! Scheduled tasks and the log of their runs (S2, S4).
//!
//! A task that is due is claimed before it is queued, and stays so until its run has ended well or for good: nobody else
//! takes it meanwhile. Claims of a process before this one are given back at the start.

use std::collections::HashSet;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use nanoclaw_core::{
    chat::Jid,
    group::Folder,
    schedule::{self, Context, LATE, Task, TaskRun, TaskStatus},
    status::{NextTask, rfc3339},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::time;

/// Rows of the run log that are kept of each task.
const KEPT_RUNS: u32 = 100;
/// Characters of a result that the run log keeps.
const KEPT_RESULT: usize = 10_000;
/// Characters of a result that `last_result` keeps (S4).
const LAST_RESULT: usize = 200;

const COLUMNS: &str = "id, group_folder, chat_jid, prompt, schedule_type, schedule_value, context_mode, status, next_run, last_run, last_result";

/// What is planned; its schedule was read, and `next_run` comes from it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub group: Folder,
    pub chat: Jid,
    pub prompt: String,
    pub schedule: String,
    pub value: String,
    pub context: Context,
    pub next_run: Timestamp,
}

/// What a run of a task came to.
#[derive(Clone, Debug)]
pub struct Ran {
    pub started_at: Timestamp,
    pub duration: SignedDuration,
    /// The result after M6, or why there is none.
    pub outcome: Result<Option<String>, String>,
}

/// # Errors
/// What SQLite says.
pub fn add(connection: &Connection, plan: &Plan, at: Timestamp) -> Result<Task> {
    let sql = format!(
        "INSERT INTO scheduled_tasks
             (id, group_folder, chat_jid, prompt, schedule_type, schedule_value, context_mode, next_run, created_at)
         VALUES ('task-' || lower(hex(randomblob(6))), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) RETURNING {COLUMNS}"
    );
    let context = match plan.context {
        Context::Group => "group",
        Context::Isolated => "isolated",
    };
    Ok(connection.prepare_cached(&sql)?.query_row(
        params![
            plan.group.as_str(),
            plan.chat.as_str(),
            plan.prompt,
            plan.schedule,
            plan.value,
            context,
            rfc3339(plan.next_run),
            rfc3339(at)
        ],
        task,
    )?)
}

/// All tasks, the next due first.
///
/// # Errors
/// What SQLite says.
pub fn list(connection: &Connection) -> Result<Vec<Task>> {
    select(connection, "1 ORDER BY status <> 'active', next_run IS NULL, next_run, id", [])
}

/// # Errors
/// What SQLite says.
pub fn get(connection: &Connection, id: &str) -> Result<Option<Task>> {
    Ok(select(connection, "id = ?1", [id])?.pop())
}

/// The active task that is due next and not claimed; its time may have passed.
///
/// # Errors
/// What SQLite says.
pub fn next(connection: &Connection) -> Result<Option<NextTask>> {
    Ok(connection
        .prepare_cached(
            "SELECT id, group_folder, next_run FROM scheduled_tasks
             WHERE status = 'active' AND next_run IS NOT NULL AND claimed_at IS NULL ORDER BY next_run LIMIT 1",
        )?
        .query_row([], |row| {
            Ok(NextTask { task_id: row.get(0)?, group: row.get(1)?, at: time(&row.get::<_, String>(2)?) })
        })
        .optional()?)
}

/// Claims what is due (S2). Call it in a transaction.
///
/// # Errors
/// What SQLite says; then nothing was claimed.
pub fn claim_due(connection: &Connection, now: Timestamp) -> Result<Vec<Task>> {
    let due = "status = 'active' AND next_run <= ?1 AND claimed_at IS NULL";
    let tasks = select(connection, &format!("{due} ORDER BY next_run, id"), [rfc3339(now)])?;
    connection
        .prepare_cached(&format!("UPDATE scheduled_tasks SET claimed_at = ?1 WHERE {due}"))?
        .execute([rfc3339(now)])?;
    Ok(tasks)
}

/// Claims one active task whenever it is due; false where it is claimed already or not active.
///
/// # Errors
/// What SQLite says.
pub fn claim(connection: &Connection, id: &str, now: Timestamp) -> Result<bool> {
    let claimed = connection
        .prepare_cached(
            "UPDATE scheduled_tasks SET claimed_at = ?2 WHERE id = ?1 AND status = 'active' AND claimed_at IS NULL",
        )?
        .execute([id, &rfc3339(now)])?;
    Ok(claimed == 1)
}

/// The claimed tasks of a group.
///
/// # Errors
/// What SQLite says.
pub fn claimed(connection: &Connection, group: &Folder) -> Result<Vec<Task>> {
    select(connection, "group_folder = ?1 AND claimed_at IS NOT NULL ORDER BY claimed_at, id", [group.as_str()])
}

/// A claimed task whose turn has come, if it is still wanted (S2); else its claim is given back.
///
/// # Errors
/// What SQLite says.
pub fn take_turn(connection: &Connection, id: &str) -> Result<Option<Task>> {
    let task = select(connection, "id = ?1 AND status = 'active' AND claimed_at IS NOT NULL", [id])?.pop();
    if task.is_none() {
        connection.execute("UPDATE scheduled_tasks SET claimed_at = NULL WHERE id = ?1", [id])?;
    }
    Ok(task)
}

/// The folders whose tasks are claimed.
///
/// # Errors
/// What SQLite says.
pub fn claimed_groups(connection: &Connection) -> Result<HashSet<String>> {
    let mut statement =
        connection.prepare("SELECT DISTINCT group_folder FROM scheduled_tasks WHERE claimed_at IS NOT NULL")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// Gives back the claims of a process before this one: what was claimed and not finished is due again.
///
/// # Errors
/// What SQLite says.
pub fn release_all(connection: &Connection) -> Result<()> {
    connection.execute("UPDATE scheduled_tasks SET claimed_at = NULL WHERE claimed_at IS NOT NULL", [])?;
    Ok(())
}

/// Keeps what a run came to (S4). A task that is gone meanwhile has no log.
///
/// # Errors
/// What SQLite says.
pub fn log_run(connection: &Connection, id: &str, ran: &Ran) -> Result<()> {
    let (result, error) = match &ran.outcome {
        Ok(result) => (result.as_deref().map(|result| first(result, KEPT_RESULT)), None),
        Err(error) => (None, Some(first(error, KEPT_RESULT))),
    };
    let last_result = match (&result, &error) {
        (_, Some(error)) => first(&format!("Error: {error}"), LAST_RESULT),
        (Some(result), None) => first(result, LAST_RESULT),
        (None, None) => "Completed".to_owned(),
    };
    let run_at = rfc3339(ran.started_at);
    let millis = i64::try_from(ran.duration.as_millis()).unwrap_or(i64::MAX);
    let status = if error.is_some() { "error" } else { "success" };
    connection
        .prepare_cached(
            "INSERT INTO task_run_logs (task_id, run_at, duration_ms, status, result, error, due_at)
             SELECT id, ?2, ?3, ?4, ?5, ?6, min(coalesce(next_run, claimed_at, ?2), coalesce(claimed_at, ?2))
             FROM scheduled_tasks WHERE id = ?1",
        )?
        .execute(params![id, run_at, millis, status, result, error])?;
    connection
        .prepare_cached("UPDATE scheduled_tasks SET last_run = ?2, last_result = ?3 WHERE id = ?1")?
        .execute(params![id, run_at, last_result])?;
    connection
        .prepare_cached(
            "DELETE FROM task_run_logs WHERE task_id = ?1 AND id NOT IN
                 (SELECT id FROM task_run_logs WHERE task_id = ?1 ORDER BY id DESC LIMIT ?2)",
        )?
        .execute(params![id, KEPT_RUNS])?;
    Ok(())
}

/// Ends a claim: the task is due again at its next time after `now`, or completed where there is none (S4, S5).
///
/// # Errors
/// What SQLite says.
pub fn finish(connection: &Connection, id: &str, zone: &TimeZone, now: Timestamp) -> Result<()> {
    let Some(task) = get(connection, id)? else { return Ok(()) };
    let next = schedule::next(&task.schedule, &task.value, zone, now).ok();
    connection
        .prepare_cached(
            "UPDATE scheduled_tasks SET claimed_at = NULL, next_run = ?2,
                 status = CASE WHEN status = 'active' AND ?2 IS NULL THEN 'completed' ELSE status END WHERE id = ?1",
        )?
        .execute(params![id, next.map(rfc3339)])?;
    Ok(())
}

/// Ends the claims of a group for good: none of them ran well. What had no run has an error row at least.
///
/// # Errors
/// What SQLite says.
pub fn give_up(
    connection: &Connection,
    group: &Folder,
    reason: &str,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<Vec<Task>> {
    let tasks = claimed(connection, group)?;
    for task in &tasks {
        let ran = connection
            .prepare_cached(
                "SELECT 1 FROM task_run_logs l JOIN scheduled_tasks t ON t.id = l.task_id
                 WHERE t.id = ?1 AND l.run_at >= t.claimed_at",
            )?
            .exists([&task.id])?;
        if !ran {
            let none = Ran { started_at: now, duration: SignedDuration::ZERO, outcome: Err(reason.to_owned()) };
            log_run(connection, &task.id, &none)?;
        }
        finish(connection, &task.id, zone, now)?;
    }
    Ok(tasks)
}

/// # Errors
/// What SQLite says.
pub fn pause(connection: &Connection, id: &str) -> Result<()> {
    connection.execute("UPDATE scheduled_tasks SET status = 'paused' WHERE id = ?1 AND status = 'active'", [id])?;
    Ok(())
}

/// Changes what a task does or when, and has it due at `next_run`. One that waits for its turn waits no more where its times
/// changed.
///
/// # Errors
/// What SQLite says.
pub fn replan(connection: &Connection, task: &Task, next_run: Timestamp) -> Result<()> {
    connection.execute(
        "UPDATE scheduled_tasks SET prompt = ?2, schedule_type = ?3, schedule_value = ?4, status = ?5, next_run = ?6,
             claimed_at = CASE WHEN schedule_type = ?3 AND schedule_value = ?4 AND status = ?5 THEN claimed_at END
         WHERE id = ?1",
        params![task.id, task.prompt, task.schedule, task.value, status_name(task.status), rfc3339(next_run)],
    )?;
    Ok(())
}

/// Removes a task and its log.
///
/// # Errors
/// What SQLite says.
pub fn remove(connection: &Connection, id: &str) -> Result<()> {
    connection.execute("DELETE FROM task_run_logs WHERE task_id = ?1", [id])?;
    connection.execute("DELETE FROM scheduled_tasks WHERE id = ?1", [id])?;
    Ok(())
}

/// After folders changed hands: a task belongs to its folder, and its result goes to the chat that has the folder now.
///
/// # Errors
/// What SQLite says.
pub fn follow_folders(connection: &Connection) -> Result<()> {
    connection.execute(
        "UPDATE scheduled_tasks SET chat_jid = g.jid FROM registered_groups g WHERE g.folder = group_folder",
        [],
    )?;
    Ok(())
}

/// The runs of a task, the latest first.
///
/// # Errors
/// What SQLite says.
pub fn history(connection: &Connection, id: &str) -> Result<Vec<TaskRun>> {
    let mut statement = connection.prepare_cached(
        "SELECT run_at, due_at, duration_ms, status, result, error FROM task_run_logs WHERE task_id = ?1 ORDER BY id DESC",
    )?;
    let rows = statement.query_map([id], |row| {
        let run_at = time(&row.get::<_, String>(0)?);
        let due_at = optional_time(row, 1)?;
        Ok(TaskRun {
            run_at,
            due_at,
            late: due_at.is_some_and(|due| run_at.duration_since(due) > LATE),
            duration_ms: row.get(2)?,
            status: row.get(3)?,
            result: row.get(4)?,
            error: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn select(connection: &Connection, which: &str, params: impl rusqlite::Params) -> Result<Vec<Task>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM scheduled_tasks WHERE {which}"))?;
    Ok(statement.query_map(params, task)?.collect::<rusqlite::Result<_>>()?)
}

fn task(row: &Row<'_>) -> rusqlite::Result<Task> {
    Ok(Task {
        id: row.get(0)?,
        group: row.get(1)?,
        chat: Jid::new(row.get::<_, String>(2)?),
        prompt: row.get(3)?,
        schedule: row.get(4)?,
        value: row.get(5)?,
        context: if row.get::<_, String>(6)? == "group" { Context::Group } else { Context::Isolated },
        status: match row.get::<_, String>(7)?.as_str() {
            "active" => TaskStatus::Active,
            "completed" => TaskStatus::Completed,
            _ => TaskStatus::Paused,
        },
        next_run: optional_time(row, 8)?,
        last_run: optional_time(row, 9)?,
        last_result: row.get(10)?,
    })
}

pub fn status_name(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Active => "active",
        TaskStatus::Paused => "paused",
        TaskStatus::Completed => "completed",
    }
}

fn optional_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<String>>(column)?.map(|text| time(&text)))
}

fn first(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

#[cfg(test)]
mod tests;
