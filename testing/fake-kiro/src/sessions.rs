//! Kept sessions: `<id>.json` and, while a process has one open, `<id>.lock`. The same for ACP and `chat`.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::script::{Script, sessions};

/// The ids of the sessions that this process has open.
static OPEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[derive(Clone, Default, Deserialize, Serialize)]
pub struct Session {
    pub id: String,
    pub cwd: PathBuf,
    /// Prompt and answer of each turn.
    pub history: Vec<(String, String)>,
    /// The MCP servers of this process's session, in ACP's form.
    #[serde(skip)]
    pub servers: Vec<Value>,
}

impl Session {
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { id: format!("fake-{:x}-{:x}", now.as_nanos(), std::process::id()), ..Self::default() }
    }

    /// The kept session `id`, as the script lets it be loaded.
    pub fn load(script: &Script, id: &str) -> Result<Self, String> {
        match script.load.as_str() {
            "hang" => std::thread::sleep(Duration::from_secs(600)),
            "exit" => std::process::exit(0),
            "active" => return Err(active()),
            _ => {}
        }
        let text = fs::read_to_string(file(id, "json")).map_err(|_| format!("Session not found: {id}"))?;
        let session: Self = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let holder = fs::read_to_string(file(id, "lock")).unwrap_or_default();
        let alive = holder
            .parse::<u32>()
            .is_ok_and(|pid| pid != std::process::id() && PathBuf::from(format!("/proc/{pid}")).exists());
        if alive { Err(active()) } else { Ok(session) }
    }

    pub fn lock(&self) {
        let _ = fs::write(file(&self.id, "lock"), std::process::id().to_string());
        open().push(self.id.clone());
    }

    /// Adds a turn and keeps it.
    pub fn add(&mut self, prompt: String, answer: String) {
        self.history.push((prompt, answer));
        let text = serde_json::to_string(self).unwrap_or_default();
        let _ = fs::write(file(&self.id, "json"), text);
    }
}

/// This process gives back what it has open.
pub fn unlock_all() {
    for id in open().drain(..) {
        let _ = fs::remove_file(file(&id, "lock"));
    }
}

fn open() -> MutexGuard<'static, Vec<String>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn active() -> String {
    "Session is active in another process".into()
}

fn file(id: &str, kind: &str) -> PathBuf {
    sessions().join(format!("{id}.{kind}"))
}
