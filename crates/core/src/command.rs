//! Everything a person can ask for, from the tray, the window or the command line.
//!
//! On the control socket a command is `{id, command, args}`: the command line's words joined by dots and its flags in
//! camelCase. Nothing else can be asked for, and an unknown argument is an error.

use std::collections::BTreeMap;

use nanoclaw_protocol::ipc::AdditionalMount;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    allowlist::Written,
    chat::Jid,
    group::Registration,
    kiro::{Method, Secret},
    logs::Query,
    problem::{Problem, Trouble},
    schedule::Context,
    settings::KiroMode,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", content = "args", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// Answers with one AppStatus.
    #[serde(rename = "status")]
    Status {},
    /// Starts pairing: a QR code, or a pairing code for `phone`. On a linked install it wants `yes`, and moves the
    /// present sign-in aside (W4). `cancel` ends a pairing that is under way.
    #[serde(rename = "pair")]
    Pair {
        #[serde(default)]
        phone: Option<String>,
        #[serde(default)]
        cancel: bool,
        #[serde(default)]
        yes: bool,
    },
    /// Unlinks at the phone's side, then moves the sign-in aside.
    #[serde(rename = "logout")]
    Logout {
        #[serde(default)]
        yes: bool,
    },
    /// Answers with `[{name, movedAt, bytes}]`: the sign-ins that were moved aside (W4), the latest first.
    #[serde(rename = "whatsapp.backups")]
    WhatsappBackups {},
    /// Deletes a former sign-in for good: only a person does that.
    #[serde(rename = "whatsapp.remove-backup")]
    WhatsappRemoveBackup {
        name: String,
        #[serde(default)]
        yes: bool,
    },
    /// Sends the texts again that WhatsApp refused for good (M13), in their order: a chat's, or all, however old, which wants
    /// `yes`. Answers with `{count}`: how many.
    #[serde(rename = "whatsapp.resend")]
    WhatsappResend {
        #[serde(default)]
        chat: Option<Jid>,
        #[serde(default)]
        yes: bool,
    },
    /// Connects now instead of at the next try: by hand after a state that doesn't try again by itself (W5).
    #[serde(rename = "reconnect")]
    Reconnect {},
    /// Answers with `[{jid, name, lastActivity, isGroup, isRegistered}]`, the latest first.
    #[serde(rename = "chats")]
    Chats {},
    /// The way of a message, by its WhatsApp id: `{id, chat, sender, direction: "in"|"out", state, steps: [{step, at, detail}]}`,
    /// with the texts that answer it; a sender has only what came in. With `chat`, a JID or a folder, instead: its newest
    /// messages `[{id, direction, at, state}]`, the latest first: 50, or as many as `limit` says, 1000 at most.
    #[serde(rename = "chats.trace")]
    ChatsTrace {
        #[serde(default)]
        id: Option<String>,
        #[serde(default)]
        chat: Option<String>,
        #[serde(default)]
        limit: Option<u32>,
    },
    /// Answers with `groups` of AppStatus.
    #[serde(rename = "groups.list")]
    GroupsList {},
    #[serde(rename = "groups.register")]
    GroupsRegister(Registration),
    /// Sets how a chat is answered, and its container settings from its next run on; what is not given stays. `target` is a
    /// JID or a folder. `trigger`: empty for the assistant's name. `mounts`: instead of those before, `[]` for none. `timeout`:
    /// milliseconds, 0 for CONTAINER_TIMEOUT's. `tools`: instead of those before; with `default_tools` those of its trust again.
    #[serde(rename = "groups.set")]
    GroupsSet {
        target: String,
        #[serde(default)]
        trigger: Option<String>,
        #[serde(default)]
        requires_trigger: Option<bool>,
        #[serde(default)]
        mounts: Option<Vec<AdditionalMount>>,
        #[serde(default)]
        timeout: Option<u64>,
        #[serde(default)]
        tools: Option<Vec<String>>,
        #[serde(default)]
        default_tools: bool,
    },
    /// `target` is a JID or a folder.
    #[serde(rename = "groups.remove")]
    GroupsRemove { target: String },
    #[serde(rename = "groups.move-main")]
    GroupsMoveMain { jid: Jid },
    /// Answers with `runs` of AppStatus, each with its mounts.
    #[serde(rename = "containers.list")]
    ContainersList {},
    /// Starts a kept-warm run for a group (T3). `target` is a JID or a folder.
    #[serde(rename = "containers.start")]
    ContainersStart { target: String },
    /// `target` is a container's name, a JID or a folder.
    #[serde(rename = "containers.stop")]
    ContainersStop { target: String },
    #[serde(rename = "containers.restart")]
    ContainersRestart { target: String },
    /// Answers with `{path}`: the file that holds the log asked for.
    #[serde(rename = "logs")]
    Logs {
        #[serde(default)]
        run: Option<String>,
    },
    /// Answers with `{lines, more, mark, goesOn}`: the newest lines that fit, the oldest of them first; `more` where others came
    /// before them. With the `mark` as `since` only what has come from then on: `goesOn` is false where that can't be told.
    #[serde(rename = "logs.find")]
    LogsFind(Query),
    /// Answers with `[{run, group, startedAt, atWork}]`: the runs that have a log, the latest first. `chat`: a JID or a folder.
    #[serde(rename = "logs.runs")]
    LogsRuns {
        #[serde(default)]
        chat: Option<String>,
    },
    /// Answers with `{id}`, the message id, once the text is in the outbox (M13).
    #[serde(rename = "send")]
    Send {
        to: Jid,
        text: String,
        #[serde(default)]
        any: bool,
    },
    /// Answers with `[{id, group, chat, prompt, schedule, value, context, status, nextRun, lastRun, lastResult}]`, the next
    /// due first.
    #[serde(rename = "tasks.list")]
    TasksList {},
    /// `group` is a JID or a folder; `schedule` is `cron`, `interval` or `once` (I5). Answers with the task.
    #[serde(rename = "tasks.add")]
    TasksAdd {
        group: String,
        prompt: String,
        schedule: String,
        value: String,
        #[serde(default)]
        context: Context,
    },
    /// Answers with `{zone, times: [{at, text}]}`: the next five times that a schedule would be due, and in words.
    #[serde(rename = "tasks.preview")]
    TasksPreview { schedule: String, value: String },
    #[serde(rename = "tasks.pause")]
    TasksPause { id: String },
    /// Its next time is reckoned from now: what was missed in the pause stays so.
    #[serde(rename = "tasks.resume")]
    TasksResume { id: String },
    /// Removes the task and its history.
    #[serde(rename = "tasks.cancel")]
    TasksCancel { id: String },
    /// Runs an active task now, besides its schedule.
    #[serde(rename = "tasks.run")]
    TasksRun { id: String },
    /// Answers with `[{runAt, dueAt, late, durationMs, status, result, error}]`, the latest first.
    #[serde(rename = "tasks.history")]
    TasksHistory { id: String },
    /// Starts the engine, where something on this computer can. Answered at once: that it runs, or could not be started, is
    /// told by the status.
    #[serde(rename = "engine.start")]
    EngineStart {},
    /// Builds the agent's image from what this NanoClaw carries. `buildArgs` are the Dockerfile's arguments. Answered when it has
    /// begun; with `wait` when it has ended, as `image.status` is.
    #[serde(rename = "image.build")]
    ImageBuild {
        #[serde(default)]
        build_args: BTreeMap<String, String>,
        #[serde(default)]
        wait: bool,
    },
    #[serde(rename = "image.cancel")]
    ImageCancel {},
    /// Answers with `engine.image` of AppStatus.
    #[serde(rename = "image.status")]
    ImageStatus {},
    /// Removes the entry `nanoclaw` from the user's Kiro files that have one (R10). Answers with `[{path, backup}]`.
    #[serde(rename = "kiro.remove-entry")]
    KiroRemoveEntry {},
    /// Asks Kiro anew who is signed in, on the host and as containers see it (K1). Answered at the end with `kiro` of AppStatus.
    #[serde(rename = "kiro.check")]
    KiroCheck {},
    /// Signs in (K2): where the mode says, on the host or in a container. `method`: as the last sign-in was without it, else
    /// Builder ID. `browser`: in this computer's browser instead of by a code. A sign-in that agents were refused with is
    /// ended first, which wants `yes`. Answered when it has begun; `kiro.login` of AppStatus tells the rest.
    #[serde(rename = "kiro.login")]
    KiroLogin {
        #[serde(default)]
        method: Option<Method>,
        #[serde(default)]
        start_url: Option<String>,
        #[serde(default)]
        region: Option<String>,
        #[serde(default)]
        browser: bool,
        #[serde(default)]
        yes: bool,
    },
    #[serde(rename = "kiro.login-cancel")]
    KiroLoginCancel {},
    /// Signs out whom the mode's sign-in belongs to. Wants `yes`.
    #[serde(rename = "kiro.logout")]
    KiroLogout {
        #[serde(default)]
        yes: bool,
    },
    /// Changes whose sign-in agents use (K4), at once. Wants `yes`; chats and messages stay.
    #[serde(rename = "kiro.mode")]
    KiroMode {
        mode: KiroMode,
        #[serde(default)]
        yes: bool,
    },
    /// Keeps an API key in the platform's key store; without one, removes it (K4).
    #[serde(rename = "kiro.key")]
    KiroKey {
        #[serde(default)]
        key: Option<Secret>,
    },
    /// Answers with `[{name, value, source, default, allowed, choices, range, meaning, pending}]`: all settings, or the one
    /// called `key`.
    #[serde(rename = "settings.get")]
    SettingsGet {
        #[serde(default)]
        key: Option<String>,
    },
    /// Answers with the setting as it is then; it is used from the next start on.
    #[serde(rename = "settings.set")]
    SettingsSet { key: String, value: String },
    /// Answers with `{count}`: how many texts would be forgotten if only those of the last `days` were kept
    /// (MESSAGE_RETENTION_DAYS; 0: for ever).
    #[serde(rename = "settings.forgets")]
    SettingsForgets { days: u32 },
    /// Answers with `{path, allowlist, always, problem}`: the mount allowlist as its file says it (`null` without one, or one
    /// that can't be used), what is blocked whatever it says, and what is wrong with it (X1, X2).
    #[serde(rename = "allowlist.get")]
    AllowlistGet {},
    /// Writes the mount allowlist, where all of it can be used. Answers as `allowlist.get`.
    #[serde(rename = "allowlist.set")]
    AllowlistSet(Written),
    #[serde(rename = "pause")]
    Pause {},
    #[serde(rename = "resume")]
    Resume {},
    /// Ends the orchestrator in order (Q6). Wants `yes` while an agent is at work.
    #[serde(rename = "quit")]
    Quit {
        #[serde(default)]
        yes: bool,
    },
    /// The same, and starts it anew.
    #[serde(rename = "restart")]
    Restart {
        #[serde(default)]
        yes: bool,
    },
}

impl Command {
    /// # Errors
    /// [`Trouble::BadCommand`] with what is wrong, when the name is unknown or the arguments don't fit it.
    pub fn parse(command: &str, args: Option<Value>) -> Result<Self, Trouble> {
        let args = match args {
            None | Some(Value::Null) => Value::Object(Default::default()),
            Some(args) => args,
        };
        serde_json::from_value(serde_json::json!({"command": command, "args": args}))
            .map_err(|error| Trouble::BadCommand { reason: error.to_string() })
    }
}

/// What a command answers: the value that `--json` prints, or what is wrong.
pub type Answer = Result<Value, Trouble>;

/// The error part of an answer on the control socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandError {
    pub code: String,
    pub message: String,
    pub cure: String,
}

impl From<&Trouble> for CommandError {
    fn from(trouble: &Trouble) -> Self {
        let Problem { code, text, cure, .. } = trouble.problem();
        CommandError { code, message: text, cure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_joined_by_dots_flags_in_camel_case() {
        let register = Command::parse(
            "groups.register",
            Some(json!({"jid": "1@g.us", "name": "Family", "folder": "family", "noTrigger": true})),
        );
        assert_eq!(
            register,
            Ok(Command::GroupsRegister(Registration {
                jid: Jid::new("1@g.us"),
                name: "Family".into(),
                folder: "family".into(),
                trigger: None,
                no_trigger: true,
                mounts: vec![],
                timeout: None,
                tools: None,
            }))
        );
        assert_eq!(Command::parse("status", None), Ok(Command::Status {}));
        assert_eq!(
            Command::parse("pair", Some(json!({}))),
            Ok(Command::Pair { phone: None, cancel: false, yes: false })
        );
    }

    #[test]
    fn a_key_is_not_in_debug_output() {
        // K4
        let command = Command::parse("kiro.key", Some(json!({"key": "ksk-planted"}))).unwrap();
        assert_eq!(command, Command::KiroKey { key: Some(Secret("ksk-planted".to_owned())) });
        assert!(!format!("{command:?}").contains("planted"));
        let refused = Command::parse("kiro.key", Some(json!({"key": ["ksk-planted"]}))).unwrap_err();
        assert!(!format!("{refused:?}").contains("planted"));
    }

    #[test]
    fn anything_else_is_refused_with_a_reason() {
        for (command, args) in
            [("rm", json!({})), ("send", json!({"to": "1@g.us"})), ("status", json!({"evil": 1})), ("send", json!(7))]
        {
            let refused = Command::parse(command, Some(args)).unwrap_err();
            assert_eq!(refused.code(), "bad-command");
        }
    }
}
