//! Every trouble a person can have: what is wrong, what helps, and a command that does it where there is one.
//!
//! A [`Trouble`] is data, so that wording can change freely; surfaces branch on codes, never on sentences.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    chat::Jid,
    failure::Failure,
    group::Folder,
    image::BuildFailure,
    link::{Link, PairingFailure},
    settings::Setting,
};

/// A trouble as a person sees it, in AppStatus and in the command line's errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    pub code: String,
    /// What is wrong.
    pub text: String,
    /// What helps.
    pub cure: String,
    /// A command of the control socket that does it.
    pub command: Option<Offer>,
    /// The folder of the chat whose agent failed, where it is that.
    pub group: Option<String>,
}

impl Problem {
    /// Whether it is the link to WhatsApp: surfaces tell of that in a place of its own.
    pub fn is_links(&self) -> bool {
        self.code.starts_with("whatsapp-")
    }
}

/// A command behind a button: `label` on it, `command` and `args` as on the control socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    pub label: String,
    pub command: String,
    pub args: Value,
}

/// What can be wrong. Each variant has one code and one wording, below.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trouble {
    BadSetting {
        key: String,
        value: String,
        allowed: String,
        used: String,
    },
    SettingsUnreadable {
        reason: String,
    },
    UnknownSetting {
        key: String,
    },
    DatabaseNewer {
        found: u64,
        known: u64,
    },
    DatabaseLocked,
    DatabaseBroken {
        reason: String,
    },
    HomeUnusable {
        reason: String,
    },
    HomeInUse {
        home: String,
    },
    NothingToImport {
        path: String,
    },
    NotRunning,
    /// `can_start`: something on this computer can start it.
    EngineAbsent {
        can_start: bool,
    },
    EngineForbidden,
    EngineNotStarted {
        reason: String,
    },
    /// `api`: the version of its interface; `needed`: the oldest that serves.
    EngineOld {
        api: String,
        needed: String,
    },
    ImageMissing {
        image: String,
    },
    ImageStale {
        image: String,
    },
    ImageNotBuilt {
        failure: BuildFailure,
    },
    ImageIsBeingBuilt,
    ImageIsNotBeingBuilt,
    ImageBuildCancelled,
    ImageNotUsed,
    Unprotected,
    RunnerMissing,
    KiroMissing,
    /// `needed`: the oldest version that serves.
    KiroOld {
        version: String,
        needed: String,
    },
    KiroSignedOut,
    KiroSignedIn {
        account: String,
    },
    KiroKeyMissing,
    KiroKeyRefused,
    /// Agents use a key: there is nobody to sign in or out.
    KiroUsesKey,
    KiroLoginUnderWay,
    KiroNoLogin,
    /// `reason`: what is wrong and what helps, in sentences.
    KiroLoginFailed {
        reason: String,
    },
    KiroLogoutFailed {
        reason: String,
    },
    BadLogin {
        reason: String,
    },
    BadKey,
    NoKeyStore {
        reason: String,
    },
    /// The environment has it, so that it can't be changed here.
    SettingFixed {
        key: String,
    },
    /// `folder`: several chats may have one name.
    RunFailed {
        folder: Folder,
        chat: String,
        failure: Failure,
    },
    NotStopped {
        container: String,
    },
    PartFailed {
        part: String,
    },
    MountMissing {
        path: String,
    },
    AllowlistMissing {
        path: String,
    },
    AllowlistInvalid {
        path: String,
        reason: String,
    },
    BadAllowlist {
        reason: String,
    },
    MountRefused {
        chat: String,
        path: String,
        reason: String,
    },
    MountsNotAnswering,
    ContainerSettingsBroken {
        chat: String,
        reason: String,
    },
    BadContainerSettings {
        reason: String,
    },
    ServerClash {
        path: String,
    },
    RunningAsRoot,
    DiskFull,
    OldService {
        program: String,
    },
    /// The desktop's program, which would start at login.
    NoApp {
        path: String,
    },
    SendFailed {
        jid: Jid,
        /// Its name, where it is registered.
        chat: String,
        reason: String,
    },
    TooManyTexts,
    UnknownChat {
        jid: String,
    },
    UnknownGroup {
        target: String,
    },
    NotRegistered {
        jid: String,
    },
    UnknownContainer {
        target: String,
    },
    AlreadyRegistered {
        jid: String,
    },
    FolderTaken {
        folder: String,
    },
    BadFolder {
        reason: String,
    },
    BadName,
    UnknownBackup {
        name: String,
    },
    BadPhone {
        phone: String,
    },
    EmptyText,
    AlreadyLinked,
    /// The link is down and does not come back by itself (W5).
    Link(Box<Link>),
    TooManyCodes {
        until: Timestamp,
    },
    /// `next_at`: when another code may be asked for, where that is not now.
    PairingFailed {
        failure: PairingFailure,
        next_at: Option<Timestamp>,
    },
    NeedsYes {
        what: String,
    },
    LinkDown,
    BadCommand {
        reason: String,
    },
    UnknownMessage {
        id: String,
    },
    UnknownRun {
        run: String,
    },
    AgentRefused {
        folder: Folder,
        chat: String,
        count: u64,
        reason: String,
    },
    UnknownTask {
        id: String,
    },
    BadTask {
        reason: String,
    },
    TaskNotActive {
        id: String,
    },
    Internal {
        reason: String,
    },
}

impl Trouble {
    pub fn code(&self) -> &'static str {
        use Trouble::*;
        match self {
            BadSetting { .. } => "bad-setting",
            SettingsUnreadable { .. } => "settings-unreadable",
            UnknownSetting { .. } => "unknown-setting",
            DatabaseNewer { .. } => "database-newer",
            DatabaseLocked => "database-locked",
            DatabaseBroken { .. } => "database-broken",
            HomeUnusable { .. } => "home-unusable",
            HomeInUse { .. } => "home-in-use",
            NothingToImport { .. } => "nothing-to-import",
            NotRunning => "not-running",
            EngineAbsent { .. } => "engine-absent",
            EngineForbidden => "engine-forbidden",
            EngineNotStarted { .. } => "engine-not-started",
            EngineOld { .. } => "engine-old",
            ImageMissing { .. } => "image-missing",
            ImageStale { .. } => "image-stale",
            ImageNotBuilt { .. } => "image-not-built",
            ImageIsBeingBuilt => "image-is-being-built",
            ImageIsNotBeingBuilt => "image-is-not-being-built",
            ImageBuildCancelled => "image-build-cancelled",
            ImageNotUsed => "image-not-used",
            Unprotected => "unprotected",
            RunnerMissing => "runner-missing",
            KiroMissing => "kiro-missing",
            KiroOld { .. } => "kiro-old",
            KiroSignedOut => "kiro-signed-out",
            KiroSignedIn { .. } => "kiro-signed-in",
            KiroKeyMissing => "kiro-key-missing",
            KiroKeyRefused => "kiro-key-refused",
            KiroUsesKey => "kiro-uses-key",
            KiroLoginUnderWay => "kiro-login-under-way",
            KiroNoLogin => "kiro-no-login",
            KiroLoginFailed { .. } => "kiro-login-failed",
            KiroLogoutFailed { .. } => "kiro-logout-failed",
            BadLogin { .. } => "bad-login",
            BadKey => "bad-key",
            NoKeyStore { .. } => "no-key-store",
            SettingFixed { .. } => "setting-fixed",
            RunFailed { failure, .. } => failure.row().code,
            NotStopped { .. } => "not-stopped",
            PartFailed { .. } => "internal-restart",
            MountMissing { .. } => "mount-missing",
            AllowlistMissing { .. } => "mount-allowlist-missing",
            AllowlistInvalid { .. } => "mount-allowlist-invalid",
            BadAllowlist { .. } => "bad-allowlist",
            MountRefused { .. } => "mount-refused",
            MountsNotAnswering => "mounts-not-answering",
            ContainerSettingsBroken { .. } => "container-settings-broken",
            BadContainerSettings { .. } => "bad-container-settings",
            ServerClash { .. } => "mcp-clash",
            RunningAsRoot => "running-as-root",
            DiskFull => "disk-full",
            OldService { .. } => "old-service",
            NoApp { .. } => "no-app",
            SendFailed { .. } => "send-failed",
            TooManyTexts => "too-many-texts",
            UnknownChat { .. } => "unknown-chat",
            UnknownGroup { .. } => "unknown-group",
            NotRegistered { .. } => "not-registered",
            UnknownContainer { .. } => "unknown-container",
            AlreadyRegistered { .. } => "already-registered",
            FolderTaken { .. } => "folder-taken",
            BadFolder { .. } => "bad-folder",
            BadName => "bad-name",
            UnknownBackup { .. } => "unknown-backup",
            BadPhone { .. } => "bad-phone",
            EmptyText => "empty-text",
            AlreadyLinked => "already-linked",
            Link(link) => link.code(),
            TooManyCodes { .. } => "too-many-codes",
            PairingFailed { .. } => "pairing-failed",
            NeedsYes { .. } => "needs-yes",
            LinkDown => "whatsapp-offline",
            BadCommand { .. } => "bad-command",
            UnknownMessage { .. } => "unknown-message",
            UnknownRun { .. } => "unknown-run",
            AgentRefused { .. } => "agent-refused",
            UnknownTask { .. } => "unknown-task",
            BadTask { .. } => "bad-task",
            TaskNotActive { .. } => "task-not-active",
            Internal { .. } => "internal",
        }
    }

    pub fn problem(&self) -> Problem {
        let (text, cure) = self.wording();
        let group = match self {
            Trouble::RunFailed { folder, .. } => Some(folder.to_string()),
            _ => None,
        };
        Problem { code: self.code().to_owned(), text, cure, command: self.offer(), group }
    }

    fn wording(&self) -> (String, String) {
        use Trouble::*;
        let say = |text: &str, cure: &str| (text.to_owned(), cure.to_owned());
        match self {
            BadSetting { key, value, allowed, used } => (
                format!("The setting {key} can't be \"{value}\"."),
                format!("It must be {allowed}. Until it is, {used} is used."),
            ),
            SettingsUnreadable { reason } => (
                format!("settings.json can't be read: {reason}."),
                "Mend or remove the file. Until then the defaults are used.".to_owned(),
            ),
            UnknownSetting { key } => {
                (format!("There is no setting {key}."), "See `nanoclawctl settings get` for all settings.".to_owned())
            }
            DatabaseNewer { found, known } => (
                format!("The database was written by a newer NanoClaw (version {found}, this one knows {known})."),
                "Install the newer version again. Nothing was changed.".to_owned(),
            ),
            DatabaseLocked => say(
                "Another program holds the database.",
                "Close the program that has store/messages.db open. Nothing was changed.",
            ),
            DatabaseBroken { reason } => (
                format!("The database can't be opened: {reason}."),
                "Check that the disk is not full and that the folder store/ is yours. Nothing was changed.".to_owned(),
            ),
            HomeUnusable { reason } => (
                "NanoClaw's folder can't be used.".to_owned(),
                format!("{reason}. Make it yours to write in, or name another one in the variable NANOCLAW_HOME."),
            ),
            HomeInUse { home } => (
                "NanoClaw is already running.".to_owned(),
                format!("It has the folder {home}. Use the one that runs, or stop it first."),
            ),
            NothingToImport { path } => (
                format!("There is no {path}."),
                "Name the folder of the NanoClaw before this one, which holds store, groups and .env.".to_owned(),
            ),
            NotRunning => say("NanoClaw is not running.", "Start the app, or `nanoclawctl run`."),
            EngineAbsent { .. } => say(
                "Docker is not running.",
                "Start Docker. Messages wait and are answered by themselves when it is back.",
            ),
            EngineForbidden => say(
                "You may not use the Docker of this computer.",
                "Add yourself to its group with `sudo usermod -aG docker $USER`, and log in again. Messages wait until then.",
            ),
            EngineNotStarted { reason } => (
                format!("Docker could not be started: {}.", reason.trim_end_matches('.')),
                "Start it as you otherwise do.".to_owned(),
            ),
            EngineOld { api, needed } => (
                format!("Docker is too old: it speaks version {api} of its API, and agents need {needed}."),
                "Update it. Until then containers may fail to start.".to_owned(),
            ),
            ImageMissing { image } => (
                format!("The agent's image {image} is missing."),
                "Build it (`nanoclawctl image build`). Messages wait until then.".to_owned(),
            ),
            ImageStale { image } => (
                format!("The agent's image {image} is from another version of NanoClaw."),
                "Agents go on with it until it is built again (`nanoclawctl image build`).".to_owned(),
            ),
            ImageNotBuilt { failure } => failure.wording(),
            ImageIsBeingBuilt => say(
                "The agent's image is being built already.",
                "Wait for its end, or end it with `nanoclawctl image cancel`.",
            ),
            ImageIsNotBeingBuilt => say("The agent's image is not being built.", "See `nanoclawctl image status`."),
            ImageBuildCancelled => {
                say("Building the agent's image was cancelled.", "What was done so far is kept for the next time.")
            }
            ImageNotUsed => say(
                "Agents run without containers here, so no image is used.",
                "With AGENT_RUNTIME set to docker they run in containers.",
            ),
            Unprotected => say(
                "Agents run unprotected on this computer.",
                "They can read and change all that you can. With AGENT_RUNTIME set to docker they run in containers.",
            ),
            RunnerMissing => say(
                "The agent's program nanoclaw-agent was not found.",
                "Put it beside NanoClaw's own program, or name it in NANOCLAW_AGENT_PATH, and start NanoClaw again. Messages wait until then.",
            ),
            KiroMissing => say(
                "kiro-cli was not found on this computer.",
                "Install kiro-cli, or set KIRO_CLI_PATH to where it is.",
            ),
            KiroSignedOut => say(
                "Kiro is signed out.",
                "Sign in (`nanoclawctl kiro login`). Messages wait until then, and go on by themselves.",
            ),
            KiroOld { version, needed } => (
                format!("kiro-cli on this computer is too old: version {version}."),
                format!("Update it (`kiro-cli update`) to {needed} or newer."),
            ),
            KiroSignedIn { account } => (
                format!("Kiro is signed in already: {account}."),
                "To use another account, sign out first (`nanoclawctl kiro logout`).".to_owned(),
            ),
            KiroKeyMissing => say(
                "There is no API key for Kiro.",
                "Give one (`nanoclawctl kiro key set`, it is read from stdin), or choose another mode with `nanoclawctl kiro mode`.",
            ),
            KiroKeyRefused => say("Kiro does not take the API key.", "Give another one (`nanoclawctl kiro key set`)."),
            KiroUsesKey => say(
                "Agents use an API key, so nobody signs in.",
                "Give or remove the key with `nanoclawctl kiro key`, or choose another mode with `nanoclawctl kiro mode`.",
            ),
            KiroLoginUnderWay => {
                say("A sign-in to Kiro is under way already.", "Finish it, or cancel it with `nanoclawctl kiro login --cancel`.")
            }
            KiroNoLogin => say("No sign-in to Kiro is under way.", "Begin one with `nanoclawctl kiro login`."),
            KiroLoginFailed { reason } => (reason.clone(), "Begin again with `nanoclawctl kiro login`.".to_owned()),
            KiroLogoutFailed { reason } => (
                format!("Kiro could not be signed out: {}.", reason.trim_end_matches('.')),
                "Try again, or use `kiro-cli logout`.".to_owned(),
            ),
            BadLogin { reason } => {
                (format!("That sign-in can't be begun: {reason}."), "See `nanoclawctl kiro login --help`.".to_owned())
            }
            BadKey => say("That is not an API key.", "Give the key alone, as Kiro shows it."),
            NoKeyStore { reason } => (
                format!("This computer's key store can't be used: {}.", reason.trim_end_matches('.')),
                "Start one that speaks the Secret Service, such as GNOME Keyring, or start NanoClaw with KIRO_API_KEY in its \
                 environment."
                    .to_owned(),
            ),
            SettingFixed { key } => (
                format!("The environment sets {key}, which goes before what is chosen here."),
                format!("Start NanoClaw without {key} and NANOCLAW_{key} in its environment."),
            ),
            RunFailed { chat, failure, .. } => (
                format!("The agent could not answer in {chat}: {}", failure.text),
                "The messages are kept. A new message in that chat tries again.".to_owned(),
            ),
            NotStopped { container } => (
                format!("Docker does not stop the container {container}."),
                "It is tried again and again. If this stays, start Docker anew.".to_owned(),
            ),
            PartFailed { part } => (
                format!("A part of NanoClaw failed and was started again: {part}."),
                "If this comes back, see logs/nanoclaw.log.".to_owned(),
            ),
            MountMissing { path } => (
                format!("The folder {path} does not exist, so the agent can't see it."),
                "Install kiro-cli and sign in once, then it is there.".to_owned(),
            ),
            AllowlistMissing { path } => (
                format!("There is no {path}, so no extra folder is mounted."),
                "Allow the folders in Settings (or with `nanoclawctl allowlist allow`), or take them from the chats.".to_owned(),
            ),
            AllowlistInvalid { path, reason } => (
                format!("{path} can't be used, so no extra folder is mounted: {reason}."),
                "Mend the file. It is read again when a container starts.".to_owned(),
            ),
            MountRefused { chat, path, reason } => (
                format!("{path} is not mounted for {chat}: {reason}."),
                "Change what is allowed in Settings (`nanoclawctl allowlist`), or the chat's folders. It counts from its next container on."
                    .to_owned(),
            ),
            BadAllowlist { reason } => {
                (format!("That can't be allowed: {reason}."), "Nothing was changed.".to_owned())
            }
            MountsNotAnswering => say(
                "The folders that are to be mounted don't answer, so no extra folder is mounted.",
                "One may lie on a drive or a network that is gone. It is tried again when a container starts.",
            ),
            ContainerSettingsBroken { chat, reason } => (
                format!("The container settings of {chat} can't be read: {reason}."),
                "Set them anew with `nanoclawctl groups set`. Until then nothing extra is mounted there, and outside the main chat no tool may be used."
                    .to_owned(),
            ),
            BadContainerSettings { reason } => (
                format!("Those container settings can't be kept: {reason}."),
                "See `nanoclawctl groups set --help`.".to_owned(),
            ),
            ServerClash { path } => (
                format!("{path} names an MCP server nanoclaw, which is what NanoClaw's own server is called."),
                "NanoClaw gives its own to each agent. Remove that entry; a copy of the file is kept beside it.".to_owned(),
            ),
            RunningAsRoot => say(
                "NanoClaw runs as root, and so do its agents.",
                "Run it as an ordinary user. Inside the containers all privileges are dropped, but files they make belong to root.",
            ),
            DiskFull => say(
                "The disk with NanoClaw's data is full, or nearly so.",
                "Make room on it. Look into groups/ there: agents may have filled it.",
            ),
            OldService { program } => (
                format!("Another program starts at login in NanoClaw's place: {program}."),
                "Turn on Start at login in NanoClaw's menu, and it is replaced.".to_owned(),
            ),
            NoApp { path } => (
                format!("There is no {path} that could start at login."),
                "Put the app beside nanoclawctl. Without a desktop, let your system start `nanoclawctl run`.".to_owned(),
            ),
            TooManyTexts => {
                say("Too many texts of this chat wait to be sent already.", "Wait until they have gone out.")
            }
            SendFailed { chat, reason, .. } => (
                format!("A message to {chat} could not be sent: {reason}"),
                "It is kept, and can be sent again (`nanoclawctl whatsapp resend`). The chat's last messages, in the window \
                 or by `nanoclawctl chats trace`, tell its way."
                    .to_owned(),
            ),
            UnknownChat { jid } => {
                (format!("There is no chat {jid}."), "See `nanoclawctl chats` for the chats that are known.".to_owned())
            }
            UnknownGroup { target } => (
                format!("No registered chat is called {target}."),
                "See `nanoclawctl groups list`; a folder name or a JID is wanted.".to_owned(),
            ),
            NotRegistered { jid } => (
                format!("The chat {jid} is not registered."),
                "Register it first, or use --any to send to it all the same.".to_owned(),
            ),
            UnknownContainer { target } => {
                (format!("No running container belongs to {target}."), "See `nanoclawctl containers list`.".to_owned())
            }
            AlreadyRegistered { jid } => {
                (format!("The chat {jid} is already registered."), "Remove it first to register it anew.".to_owned())
            }
            FolderTaken { folder } => {
                (format!("The folder {folder} belongs to another chat."), "Choose another folder name.".to_owned())
            }
            BadFolder { reason } => {
                (format!("That folder name can't be used: {reason}."), "Choose another one.".to_owned())
            }
            BadName => say("The name is empty or too long.", "Give a name of 1 to 200 characters."),
            UnknownBackup { name } => (
                format!("No former sign-in is called {name}."),
                "See `nanoclawctl whatsapp backups`.".to_owned(),
            ),
            BadPhone { phone } => (
                format!("\"{phone}\" is not a phone number."),
                "Give it with its country code, for example +49 151 23456789.".to_owned(),
            ),
            EmptyText => say("There is no text to send.", "Give a text of 1 to 65,536 characters."),
            AlreadyLinked => say(
                "WhatsApp is linked already.",
                "To link anew, give --yes: the present link is moved aside, nothing is deleted.",
            ),
            Link(link) => link.wording(),
            TooManyCodes { until } => (
                "Three pairing codes were asked for within ten minutes.".to_owned(),
                format!(
                    "WhatsApp bars numbers that ask for more. The next one can be had at {}, or link by the QR code.",
                    until.strftime("%H:%M UTC")
                ),
            ),
            PairingFailed { failure, next_at } => {
                let (text, cure) = failure.wording();
                let next = next_at.map(|at| format!(" The next code can be had at {}.", at.strftime("%H:%M UTC")));
                (text.to_owned(), cure.to_owned() + &next.unwrap_or_default())
            }
            NeedsYes { what } => (format!("This would {what}."), "Say --yes to do it.".to_owned()),
            LinkDown => say("WhatsApp is not connected.", "Try again when it is; see `nanoclawctl status`."),
            BadCommand { reason } => {
                (format!("That command can't be understood: {reason}."), "See `nanoclawctl --help`.".to_owned())
            }
            UnknownMessage { id } => (
                format!("There is no message {id}, or it was too long ago."),
                "`nanoclawctl chats trace --chat FOLDER` lists a chat's newest.".to_owned(),
            ),
            UnknownRun { run } => (format!("There is no log of a run {run}."), "See groups/<folder>/logs.".to_owned()),
            AgentRefused { chat, count, reason, .. } => (
                format!("The agent of {chat} was refused something it may not do ({count} so far), last: {reason}"),
                "Nothing came of it. If it was not meant well, see what was said in that chat.".to_owned(),
            ),
            UnknownTask { id } => (format!("There is no task {id}."), "See `nanoclawctl tasks list`.".to_owned()),
            BadTask { reason } => {
                (format!("That task can't be planned: {reason}."), "See `nanoclawctl tasks add --help`.".to_owned())
            }
            TaskNotActive { id } => (format!("The task {id} is paused or completed."), "Resume it first.".to_owned()),
            Internal { reason } => {
                (format!("Something went wrong inside NanoClaw: {reason}"), "See logs/nanoclaw.log.".to_owned())
            }
        }
    }

    fn offer(&self) -> Option<Offer> {
        let offer = |label: &str, command: &str, args: Value| {
            Some(Offer { label: label.to_owned(), command: command.to_owned(), args })
        };
        match self {
            Trouble::BadSetting { key, .. } => offer(
                "Use the default",
                "settings.set",
                json!({"key": key, "value": Setting::named(key).map(|setting| setting.default)}),
            ),
            Trouble::EngineAbsent { can_start: true } => offer("Start Docker", "engine.start", json!({})),
            Trouble::ImageMissing { .. } => offer("Build the image", "image.build", json!({})),
            Trouble::ImageStale { .. } | Trouble::ImageNotBuilt { .. } => {
                offer("Build it again", "image.build", json!({}))
            }
            Trouble::ImageIsBeingBuilt => offer("Cancel the build", "image.cancel", json!({})),
            Trouble::KiroSignedOut => offer("Sign in to Kiro", "kiro.login", json!({})),
            Trouble::KiroLoginUnderWay => offer("Cancel the sign-in", "kiro.login-cancel", json!({})),
            Trouble::RunFailed { failure, .. } => {
                failure.row().offer.and_then(|(label, command)| offer(label, command, json!({})))
            }
            Trouble::SendFailed { jid, .. } => offer("Send again", "whatsapp.resend", json!({"chat": jid})),
            Trouble::ServerClash { .. } => offer("Remove the entry", "kiro.remove-entry", json!({})),
            Trouble::Link(link) => link.offer().and_then(|(label, command)| offer(label, command, json!({}))),
            Trouble::AlreadyLinked => offer("Link again", "pair", json!({"yes": true})),
            _ => None,
        }
    }
}
