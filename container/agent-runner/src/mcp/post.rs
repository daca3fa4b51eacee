//! A request's file and the host's answer (I1, I8), and the snapshot of tasks (R8).

use std::{
    fs, io,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nanoclaw_protocol::ipc::{CURRENT_TASKS, CurrentTask, IpcFile, IpcRequest, IpcResult, RESULTS};
use tokio::time::{Instant, sleep};

use super::Identity;

/// How long it waits for the answer (I8).
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it looks for it: events of the host's writing don't reach every container.
const LOOK: Duration = Duration::from_millis(20);

static ASKED: AtomicU32 = AtomicU32::new(0);

/// Asks the host, and tells what came of it.
pub async fn ask(identity: &Identity, request: IpcRequest) -> Result<String, String> {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let number = ASKED.fetch_add(1, Ordering::SeqCst);
    // Names in their order of writing, and no two alike, whichever session wrote them.
    let id = format!("{millis:013}-{number:06}-{}", std::process::id());
    let folder = identity.ipc.join(request.folder());
    let file = IpcFile { id: Some(id.clone()), request };
    write(&folder, &id, &file).map_err(|error| format!("The request could not be written: {error}."))?;
    let answer = identity.ipc.join(RESULTS).join(format!("{id}.json"));
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(content) = fs::read(&answer)
            && let Ok(result) = serde_json::from_slice(&content)
        {
            return match result {
                IpcResult::Ok(_) => Ok("Done.".to_owned()),
                IpcResult::Error(why) => Err(why),
            };
        }
        if Instant::now() >= deadline {
            return Ok("The request was handed over, but not confirmed within 5 s.".to_owned());
        }
        sleep(LOOK).await;
    }
}

/// Under another name first, so that it is never read half.
fn write(folder: &Path, id: &str, file: &IpcFile) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let new = folder.join(format!("{id}.tmp"));
    fs::write(&new, serde_json::to_vec(file)?)?;
    fs::rename(new, folder.join(format!("{id}.json")))
}

/// The tasks, as the host wrote them last.
pub fn tasks(identity: &Identity) -> Result<String, String> {
    let content = fs::read(identity.ipc.join(CURRENT_TASKS))
        .map_err(|error| format!("The list of tasks can't be read: {error}."))?;
    let tasks: Vec<CurrentTask> =
        serde_json::from_slice(&content).map_err(|error| format!("The list of tasks can't be understood: {error}."))?;
    if tasks.is_empty() {
        return Ok("No tasks are planned.".to_owned());
    }
    let line = |task: &CurrentTask| {
        let next = task.next_run.as_deref().unwrap_or("never");
        format!(
            "{} ({}, {}): {} {}, next at {next}: {}",
            task.id, task.group_folder, task.status, task.schedule_type, task.schedule_value, task.prompt
        )
    };
    Ok(tasks.iter().map(line).collect::<Vec<_>>().join("\n"))
}
