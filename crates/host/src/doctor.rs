//! Looks at all that NanoClaw needs, one thing after the other, each with what helps: the checks of the old setup's steps
//! (facts of the original). It changes nothing, and works whether NanoClaw runs or not.
//!
//! Called by `nanoclawctl doctor` and the window.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use nanoclaw_core::{
    autostart::Entry,
    command::Command,
    kiro::{SignIn, Whoami},
    problem::{Problem, Trouble},
    settings::{KiroMode, Runtime, Settings},
    status::{ImageState, ImageStatus},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    autostart,
    container::{
        discovery::{self, Found, Said},
        extra, image, process,
    },
    control::{Client, HomeLock},
    kiro,
    paths::Home,
    settings,
    store::{self, Store},
};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Good,
    /// NanoClaw works without it, or it can't be told.
    Warning,
    Bad,
}

/// One thing looked at: `{id, outcome, text, problem}`.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    pub id: &'static str,
    pub outcome: Outcome,
    /// What is, in a sentence; where it isn't good, what is wrong.
    pub text: String,
    /// What is wrong and what helps.
    pub problem: Option<Problem>,
}

fn good(id: &'static str, text: impl Into<String>) -> Check {
    Check { id, outcome: Outcome::Good, text: text.into(), problem: None }
}

fn not_good(id: &'static str, outcome: Outcome, trouble: &Trouble) -> Check {
    let problem = trouble.problem();
    Check { id, outcome, text: problem.text.clone(), problem: Some(problem) }
}

fn bad(id: &'static str, trouble: &Trouble) -> Check {
    not_good(id, Outcome::Bad, trouble)
}

/// All checks, in the order in which a start needs them.
pub async fn examine(home: &Home) -> Vec<Check> {
    let (settings, troubles) = settings::load(home);
    let mut checks = vec![place(home)];
    checks.extend(troubles.iter().map(|trouble| not_good("settings", Outcome::Warning, trouble)));
    if troubles.is_empty() {
        checks.push(good("settings", "All settings can be used."));
    }
    let known = Known::of(home).await;
    checks.push(version(known.status.as_ref()));
    checks.extend(kiro_cli(home, &settings, known.status.as_ref()).await);
    checks.extend(runtime(&settings).await);
    checks.extend(known.checks(home));
    checks.push(allowlist(home, &known));
    checks.push(at_login(&home.places().user));
    checks.push(old_service(home));
    checks.push(match &known.status {
        None => not_good("nanoclaw", Outcome::Warning, &Trouble::NotRunning),
        Some(status) => running(status),
    });
    checks
}

fn place(home: &Home) -> Check {
    let shown = home.root().display();
    if !home.root().exists() {
        return good("home", format!("{shown} is made at the first start."));
    }
    match tempfile::tempfile_in(home.root()) {
        Ok(_) => good("home", format!("{shown} is there and can be written.")),
        Err(error) => bad("home", &Trouble::Internal { reason: format!("{shown} can't be written: {error}") }),
    }
}

/// This program's, and that of the NanoClaw that runs.
fn version(running: Option<&Value>) -> Check {
    const OWN: &str = env!("CARGO_PKG_VERSION");
    match running.map(|status| text(status, "/version")).filter(|version| version != OWN) {
        Some(other) => warning(
            "version",
            format!("The NanoClaw that runs is version {other}, and this is {OWN}."),
            "Restart it (`nanoclawctl restart`), and it is the one that is installed.",
        ),
        None => good("version", format!("NanoClaw is version {OWN}.")),
    }
}

async fn kiro_cli(home: &Home, settings: &Settings, running: Option<&Value>) -> Vec<Check> {
    let places = home.places();
    let program = kiro::find(settings, &places).await;
    // Else agents have the kiro-cli of their image, and a sign-in that is not this computer's (K4).
    let needed = settings.runtime == Runtime::Host || settings.kiro_mode == KiroMode::Shared;
    let found = match &program {
        Some(program) => {
            let version = kiro::version(program).await;
            match version.as_deref().and_then(kiro::old) {
                Some(old) => not_good("kiro-cli", Outcome::Warning, &old),
                None => {
                    let version = version.map(|version| format!(" {version}")).unwrap_or_default();
                    good("kiro-cli", format!("kiro-cli{version} is {}.", program.display()))
                }
            }
        }
        None if needed => return vec![bad("kiro-cli", &Trouble::KiroMissing)],
        None => good("kiro-cli", "kiro-cli is not on this computer, and agents do not need it there."),
    };
    let Whoami { state, text, .. } = match (running, &program) {
        // It knows, and asking beside an agent that starts could sign both out (K1).
        (Some(status), _) => seen(&status["kiro"], settings.runtime),
        (None, Some(program)) if needed && settings.kiro_mode != KiroMode::ApiKey => kiro::whoami(program, None).await,
        (None, _) => Whoami::unknown("Whether agents are signed in is looked at while NanoClaw runs."),
    };
    let signed_in = match state {
        SignIn::SignedIn => good("kiro-sign-in", text),
        SignIn::SignedOut if settings.kiro_mode == KiroMode::ApiKey => bad("kiro-sign-in", &Trouble::KiroKeyRefused),
        SignIn::SignedOut => bad("kiro-sign-in", &Trouble::KiroSignedOut),
        SignIn::Unknown | SignIn::Missing => {
            Check { id: "kiro-sign-in", outcome: Outcome::Warning, text, problem: None }
        }
    };
    let agent = match kiro::agent_name(&kiro::folder(&places, settings), settings) {
        Some(name) => good("kiro-agent", format!("The agent {name} is used.")),
        None => good("kiro-agent", "An agent is made at the first start."),
    };
    vec![found, signed_in, agent]
}

/// How agents are signed in, from `kiro` of AppStatus.
fn seen(kiro: &Value, runtime: Runtime) -> Whoami {
    // As KiroStatus::of_runs has it.
    let known = kiro["container"]["state"] == "signed-in" || kiro["container"]["state"] == "signed-out";
    let on_host = runtime == Runtime::Host || (kiro["mode"] == "shared" && !known);
    let place = &kiro[if on_host { "host" } else { "container" }];
    let state = serde_json::from_value(place["state"].clone());
    let text = Some(text(place, "/text")).filter(|text| !text.is_empty());
    let text = text.unwrap_or_else(|| "Who is signed in was not looked at yet.".to_owned());
    Whoami { state: state.unwrap_or(SignIn::Unknown), ..Whoami::unknown(text) }
}

async fn runtime(settings: &Settings) -> Vec<Check> {
    if settings.runtime == Runtime::Host {
        let runner = match process::find_runner() {
            Some(runner) => good("runner", format!("Agents are run by {}.", runner.display())),
            None => bad("runner", &Trouble::RunnerMissing),
        };
        return vec![not_good("docker", Outcome::Warning, &Trouble::Unprotected), runner];
    }
    let engine = match discovery::find(settings.engine_socket.as_deref()).await {
        Found::Ready(engine) => engine,
        Found::Forbidden => return vec![bad("docker", &Trouble::EngineForbidden)],
        Found::Starting(_) | Found::Nothing => return vec![bad("docker", &Trouble::EngineAbsent { can_start: false })],
    };
    match (discovery::version(&engine).await, image::look(&engine.docker, &settings.agent_image).await) {
        (Ok(said), Ok(found)) => vec![docker(said), agent_image(settings, &found)],
        _ => vec![bad("docker", &Trouble::EngineAbsent { can_start: false })],
    }
}

fn docker(Said { name, version, trouble }: Said) -> Check {
    match trouble {
        Some(trouble) => not_good("docker", Outcome::Warning, &trouble),
        None => good("docker", format!("{} answers.", format!("{name} {}", version.unwrap_or_default()).trim())),
    }
}

fn agent_image(settings: &Settings, found: &ImageStatus) -> Check {
    let name = || settings.agent_image.clone();
    let id = found.id.as_deref().unwrap_or_default().trim_start_matches("sha256:");
    match found.state {
        ImageState::Ready | ImageState::Building => {
            let built = found.created_at.map(|at| at.strftime(", built %Y-%m-%d").to_string()).unwrap_or_default();
            let id = id.get(..12).unwrap_or(id);
            good("image", format!("The image {} is there, of this version ({id}{built}).", name()))
        }
        ImageState::Stale => not_good("image", Outcome::Warning, &Trouble::ImageStale { image: name() }),
        ImageState::Missing | ImageState::Failed => bad("image", &Trouble::ImageMissing { image: name() }),
    }
}

/// What the NanoClaw that runs tells, or else its files.
pub(crate) struct Known {
    status: Option<Value>,
    /// `None` where it can't be told.
    chats: Option<Value>,
    groups: Option<Value>,
}

impl Known {
    pub(crate) async fn of(home: &Home) -> Self {
        if let Ok(mut client) = Client::connect(home).await {
            let mut ask = async |command| client.ask(&command).await.ok();
            let (chats, groups) = (ask(Command::Chats {}).await, ask(Command::GroupsList {}).await);
            return Known { status: ask(Command::Status {}).await, chats, groups };
        }
        let (chats, groups) = Self::stored(home).await.unzip();
        Known { status: None, chats, groups }
    }

    async fn stored(home: &Home) -> Option<(Value, Value)> {
        if !home.database().exists() {
            return None;
        }
        let _lock = HomeLock::take(home).ok()?;
        let store = Store::open(&home.database()).ok()?;
        let (chats, groups) = store.read(|db| Ok((store::chats::list(db)?, store::groups::list(db)?))).await.ok()?;
        let groups: Vec<Value> = groups
            .iter()
            .map(|group| {
                let is_main = group.is_main();
                json!({"name": group.name, "folder": group.folder, "isMain": is_main, "mounts": group.mounts})
            })
            .collect();
        Some((serde_json::to_value(chats).ok()?, groups.into()))
    }

    fn checks(&self, home: &Home) -> Vec<Check> {
        let list = |value: &Option<Value>| value.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
        let (chats, groups) = (list(&self.chats), list(&self.groups));
        let linked = match &self.status {
            Some(status) if status["whatsapp"]["state"] == "connected" => good("whatsapp", "Connected to WhatsApp."),
            Some(status) => warning("whatsapp", text(status, "/whatsapp/text"), "See `nanoclawctl status`."),
            None if home.auth().exists() => good("whatsapp", "There is a sign-in; it is tried at the start."),
            None => warning("whatsapp", "WhatsApp is not linked yet.", "Start NanoClaw and run `nanoclawctl pair`."),
        };
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for chat in &chats {
            *names.entry(chat["name"].as_str().unwrap_or_default()).or_default() += 1;
        }
        let twice: Vec<&str> =
            names.into_iter().filter(|(name, count)| !name.is_empty() && *count > 1).map(|(name, _)| name).collect();
        let known = match (chats.len(), twice.as_slice()) {
            (0, _) => warning("chats", "No chats are known yet.", "They come with the link to WhatsApp."),
            (count, []) => good("chats", format!("{count} chats are known.")),
            (_, twice) => warning(
                "chats",
                format!("Several chats have the same name: {}.", twice.join(", ")),
                "Tell them apart by their addresses, which `nanoclawctl chats` shows.",
            ),
        };
        let main = groups.iter().find(|group| group["isMain"] == true);
        let registered = match main {
            Some(main) => {
                good("main", format!("{} is the main chat, of {} registered.", text(main, "/name"), groups.len()))
            }
            None => warning(
                "main",
                "No main chat is registered.",
                "Choose your own private chat with `nanoclawctl groups register --folder main`.",
            ),
        };
        vec![linked, known, registered]
    }

    /// The names of chats, the longest first, without those too short to be told from other words.
    pub(crate) fn names(&self) -> Vec<String> {
        let lists = [&self.chats, &self.groups].into_iter().flatten().filter_map(Value::as_array).flatten();
        let mut names: Vec<String> = lists.map(|chat| text(chat, "/name")).filter(|name| name.len() > 2).collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        names
    }

    /// The folders of registered chats but main: most are called as their chats are.
    pub(crate) fn folders(&self) -> Vec<String> {
        let groups = self.groups.as_ref().and_then(Value::as_array).into_iter().flatten();
        groups.filter(|group| group["isMain"] != true).map(|group| text(group, "/folder")).collect()
    }

    fn asks_for_mounts(&self) -> bool {
        let groups = self.groups.as_ref().and_then(Value::as_array);
        groups.into_iter().flatten().any(|group| group["mounts"].as_array().is_some_and(|mounts| !mounts.is_empty()))
    }
}

/// A warning that is no trouble of a running NanoClaw's.
fn warning(id: &'static str, text: impl Into<String>, cure: &str) -> Check {
    let text = text.into();
    let problem =
        Problem { code: id.to_owned(), text: text.clone(), cure: cure.to_owned(), command: None, group: None };
    Check { id, outcome: Outcome::Warning, text, problem: Some(problem) }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn allowlist(home: &Home, known: &Known) -> Check {
    match extra::allowlist(&home.places()) {
        Ok(allowlist) => good("allowlist", format!("{} folders may be mounted.", allowlist.roots.len())),
        Err(Trouble::AllowlistMissing { .. }) if !known.asks_for_mounts() => {
            good("allowlist", "No extra folders are asked for, and none may be mounted.")
        }
        Err(trouble) => not_good("allowlist", Outcome::Warning, &trouble),
    }
}

/// Whether it starts at login, and whether what would start is there and this NanoClaw.
fn at_login(user: &Path) -> Check {
    let again = "Turn on Start at login in NanoClaw's menu, or `nanoclawctl autostart on`.";
    let gone = |program: &Path| program.is_absolute() && !program.exists();
    let entry = match autostart::app() {
        Ok(app) => autostart::read(user, &app.to_string_lossy()).map(|entry| (entry, app)),
        Err(error) => Err(error),
    };
    match entry {
        Err(error) => {
            warning("autostart", format!("Whether NanoClaw starts at login can't be told: {error:#}."), again)
        }
        Ok((Entry::Off, _)) => warning("autostart", "NanoClaw does not start at login.", again),
        Ok((Entry::Ours, app)) if gone(&app) => {
            let cure = "Put the app there, or turn that off (`nanoclawctl autostart off`).";
            warning("autostart", format!("What is to start at login is not there: {}.", app.display()), cure)
        }
        Ok((Entry::Ours, app)) => good("autostart", format!("{} starts at login.", app.display())),
        Ok((Entry::Other { program }, _)) if gone(Path::new(&program)) => {
            warning("autostart", format!("What is to start at login is not there: {program}."), again)
        }
        Ok((Entry::Other { program }, _)) => not_good("autostart", Outcome::Warning, &Trouble::OldService { program }),
    }
}

/// The service that this NanoClaw replaces: it would answer the same chats.
fn old_service(home: &Home) -> Check {
    let user = home.places().user;
    let units: [PathBuf; 2] =
        [user.join("Library/LaunchAgents/com.nanoclaw.plist"), user.join(".config/systemd/user/nanoclaw.service")];
    let old =
        units.into_iter().find(|unit| fs::read_to_string(unit).is_ok_and(|entry| entry.contains("dist/index.js")));
    match old {
        Some(unit) => {
            not_good("old-service", Outcome::Warning, &Trouble::OldService { program: unit.display().to_string() })
        }
        None => good("old-service", "No older NanoClaw is set to start."),
    }
}

fn running(status: &Value) -> Check {
    let problems = status["problems"].as_array().map_or(0, Vec::len);
    match problems {
        0 => good("nanoclaw", format!("NanoClaw runs. {}", text(status, "/headline/text"))),
        count => {
            warning("nanoclaw", format!("NanoClaw runs, and tells of {count} problems."), "See `nanoclawctl status`.")
        }
    }
}
