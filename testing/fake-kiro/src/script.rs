//! What the fake plays: the script's shape, and where it, the log and the sessions lie.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Script {
    pub auth: Auth,
    pub login: Login,
    pub capabilities: Capabilities,
    /// What taking a session up again comes to: `active` (another process has it), `hang`, `exit`; else it is loaded.
    pub load: String,
    /// The agents that there are; without a list any is. What becomes of another is the version's: `capabilities`.
    pub agents: Option<Vec<String>>,
    /// The models that there are; without a list any is.
    pub models: Option<Vec<String>>,
    /// An MCP server that does not start.
    pub mcp_fails: Option<String>,
    /// What a turn is said to take.
    pub usage: Usage,
    /// The first whose `match` fits the prompt is played; none fits: it echoes.
    pub turns: Vec<Turn>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Auth {
    /// `signed-in`, `signed-out`, `expired` (a prompt fails), `browser` (a start tries to open a browser and hangs),
    /// `unreachable` (whoami can't tell), `stored`: signed in while there is a token in the data folder, which login and
    /// logout write there instead of here.
    pub state: String,
    #[serde(flatten)]
    pub account: Account,
    /// With a profile, lines follow whoami's JSON.
    pub profile: bool,
    /// How long whoami takes.
    pub whoami_ms: u64,
    /// No API key is good for anything.
    pub refuses_keys: bool,
    pub tokens: Tokens,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Account {
    /// `BuilderId`, `IamIdentityCenter`, `Social`, `ExternalIdP`.
    pub account_type: String,
    pub email: String,
    /// Of an organisation's sign-in.
    pub start_url: String,
    pub region: String,
    /// Of a social one: `Google` or `GitHub`.
    pub provider: String,
}

/// How tokens of the state `stored` behave.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Tokens {
    /// How long one is good.
    pub live_ms: u64,
    /// How long the network takes for a new one.
    pub refresh_ms: u64,
    /// How long the store lies empty while it is written.
    pub write_ms: u64,
    /// It deletes the token when another was first to refresh it.
    pub older_client: bool,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Login {
    pub code: String,
    pub url: String,
    /// How long the person takes, in ms.
    pub after_ms: u64,
    /// `success`, `expired`, what is said where the browser's way fails (`Auth portal timed out` …), else an error's code like
    /// `access_denied`.
    pub outcome: String,
    /// The code alone is shown.
    pub without_url: bool,
    /// Without device flow: a browser opens. Else that fails.
    pub browser_opens: bool,
    /// What is said at the end is an older version's.
    pub older: bool,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Capabilities {
    /// There is an `acp`.
    pub acp: bool,
    /// `chat` takes `--output-format`.
    pub stream_json: bool,
    /// `acp` and `chat` take `--agent-engine`.
    pub agent_engine: bool,
    /// `acp` takes `--auth-method` only.
    pub v3: bool,
    /// `chat` takes `--no-interactive`.
    pub no_interactive: bool,
    /// An agent that is not there ends the program; older versions go on without it.
    pub agent_exit: bool,
    pub version: String,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Usage {
    pub credits: f64,
    pub context_percent: f64,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Turn {
    /// A regular expression, looked for in the whole prompt.
    #[serde(rename = "match")]
    pub pattern: String,
    pub delay_ms: u64,
    /// The answer, piece by piece. `{output}` is what `tool` or `run` gave, `{text}` the last message's text, `{texts}` those of
    /// all messages, `{count}` the session's prompts so far. Without parts the output is the answer.
    pub parts: Vec<String>,
    pub tool: Option<Tool>,
    /// A shell command in the session's folder, as Kiro's own tools would run one.
    pub run: Option<String>,
    /// Asks for permission before `tool` and `run`, even where they are trusted.
    pub ask: bool,
    /// The turn ends where its tool is refused, with nothing said.
    pub ends_refused: bool,
    /// Written to stdout as it is, before the answer.
    pub raw: String,
    /// So many bytes on stdout without a line break, before the answer.
    pub flood: usize,
    pub stderr: Option<String>,
    /// Ends the program in the middle of the turn, after the parts.
    pub exit: Option<u8>,
    /// A JSON-RPC error in place of the answer.
    pub error: Option<String>,
}

/// A call to a server that came with the session.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Tool {
    pub server: String,
    pub name: String,
    pub args: Value,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            state: "signed-in".into(),
            account: Account::default(),
            profile: false,
            whoami_ms: 0,
            refuses_keys: false,
            tokens: Tokens::default(),
        }
    }
}

impl Default for Account {
    fn default() -> Self {
        Self {
            account_type: "BuilderId".into(),
            email: "alice@example.com".into(),
            start_url: "https://example.awsapps.com/start".into(),
            region: "us-east-1".into(),
            provider: "Google".into(),
        }
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self { live_ms: 3_600_000, refresh_ms: 0, write_ms: 0, older_client: false }
    }
}

impl Default for Login {
    fn default() -> Self {
        Self {
            code: "ABCD-EFGH".into(),
            url: "https://view.awsapps.com/start/#/device?user_code=ABCD-EFGH".into(),
            after_ms: 1000,
            outcome: "success".into(),
            without_url: false,
            browser_opens: false,
            older: false,
        }
    }
}

impl Default for Usage {
    fn default() -> Self {
        Self { credits: 0.01, context_percent: 1.5 }
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            acp: true,
            stream_json: true,
            agent_engine: true,
            v3: false,
            no_interactive: true,
            agent_exit: true,
            version: "2.29.0".into(),
        }
    }
}

impl Script {
    /// A script that can't be parsed is said on stderr and counts as none.
    pub fn read() -> Self {
        let Ok(text) = fs::read_to_string(path()) else {
            return Self::default();
        };
        serde_json::from_str(&text).unwrap_or_else(|error| {
            eprintln!("fake-kiro: {}: {error}", path().display());
            Self::default()
        })
    }

    /// Keeps a sign-in or sign-out, but in the state `stored`.
    pub fn write(&self) -> std::io::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        if let Some(folder) = path().parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path(), text)
    }
}

fn path() -> PathBuf {
    std::env::var_os("FAKE_KIRO_SCRIPT").map_or_else(|| kiro_folder().join("fake-kiro.json"), PathBuf::from)
}

fn kiro_folder() -> PathBuf {
    std::env::var_os("HOME").map_or_else(|| "/tmp".into(), PathBuf::from).join(".kiro")
}

/// Where sessions are kept; under /tmp where Kiro's folder is read-only.
pub fn sessions() -> PathBuf {
    let folder = kiro_folder().join("sessions/cli");
    let probe = folder.join(format!(".probe-{}", std::process::id()));
    if fs::create_dir_all(&folder).and_then(|()| fs::write(&probe, "")).is_ok() {
        let _ = fs::remove_file(probe);
        return folder;
    }
    let folder = PathBuf::from("/tmp/fake-kiro-sessions");
    let _ = fs::create_dir_all(&folder);
    folder
}

/// Appends to the log, where it can be written.
pub fn log(entry: &Value) {
    let path = kiro_folder().join("fake-kiro.log");
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) {
        let _ = file.write_all(format!("{entry}\n").as_bytes());
    }
}
