//! How kiro-cli is started: where it is, its options, its environment.
//!
//! The first start assumes a kiro-cli that knows every option of `acp`. One that doesn't leaves at once with exit 2; then
//! its help is asked and only what that names is used. So the usual start costs no second process.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nanoclaw_protocol::{Cause, Request};
use tokio::process::{Child, Command};

use super::Failure;
use super::tools::Tools;

/// What a program that does not know its arguments exits with.
pub const BAD_ARGUMENTS: i32 = 2;

/// The value of `chat --output-format`, as its help names it.
pub const STREAM_JSON: &str = "stream-json";
/// Never `--resume`: that takes the newest session of the folder, which in a container is the same path for all groups (R11).
pub const RESUME: &str = "--resume-id";

const HELP_LIMIT: Duration = Duration::from_secs(10);

/// No telemetry, no updates, no colours.
const QUIET: [(&str, &str); 6] = [
    ("KIRO_DISABLE_TELEMETRY", "1"),
    ("KIRO_NO_AUTO_UPDATE", "1"),
    ("KIRO_NO_REMOTE_CHANGELOG", "1"),
    ("KIRO_LOG_NO_COLOR", "1"),
    ("NO_COLOR", "1"),
    ("CLICOLOR", "0"),
];

/// What a run gives to each start of kiro-cli.
#[derive(Clone)]
pub struct Launch {
    /// The group's folder, Kiro's working directory.
    pub folder: String,
    pub agent: Option<String>,
    pub model: Option<String>,
    pub tools: Tools,
    /// Environment of kiro-cli alone.
    pub secrets: BTreeMap<String, String>,
}

impl Launch {
    /// From the runner's environment: NANOCLAW_GROUP_DIR, KIRO_AGENT_NAME, KIRO_MODEL.
    pub fn new(request: &Request) -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            folder: set("NANOCLAW_GROUP_DIR").unwrap_or_else(|| "/workspace/group".into()),
            agent: set("KIRO_AGENT_NAME"),
            model: set("KIRO_MODEL"),
            tools: Tools(request.tools.clone()),
            secrets: request.secrets.clone(),
        }
    }

    /// kiro-cli with `arguments`, its pipes attached.
    pub fn spawn(&self, arguments: &[String]) -> Result<Child, Failure> {
        if !Path::new(&self.folder).is_dir() {
            let text = format!("The group's folder {} is not there.", self.folder);
            return Err(Failure::new(Cause::Unknown, text));
        }
        first_found(|program| {
            Command::new(program)
                .args(arguments)
                .envs(QUIET)
                .envs(&self.secrets)
                .current_dir(&self.folder)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                // A group of its own, so that a forced end takes its children along.
                .process_group(0)
                .kill_on_drop(true)
                .spawn()
        })
    }

    /// What `kiro-cli COMMAND --help` says; empty where it says nothing in time.
    pub async fn help(&self, command: &str) -> Result<String, Failure> {
        let child = first_found(|program| {
            Command::new(program)
                .args([command, "--help"])
                .envs(QUIET)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
        })?;
        let output = tokio::time::timeout(HELP_LIMIT, child.wait_with_output()).await;
        Ok(match output {
            Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).into_owned(),
            _ => String::new(),
        })
    }

    /// `acp`. `help` is what its help says, if that had to be asked.
    pub fn acp(&self, help: Option<&str>) -> Vec<String> {
        let mut arguments = vec!["acp".to_owned()];
        if help.is_some_and(|help| help.contains("--auth-method")) {
            // Version 3 takes this and refuses the others.
            arguments.extend(["--auth-method", "cli"].map(str::to_owned));
        } else {
            arguments.extend(self.options(|option| help.is_none_or(|help| help.contains(option))));
        }
        arguments
    }

    /// `chat` for one prompt on stdin. `help` is what its help says.
    pub fn chat(&self, help: &str, session: Option<&str>) -> Vec<String> {
        let mut arguments = vec!["chat", "--no-interactive"];
        if help.contains("--wrap") {
            arguments.extend(["--wrap", "never"]);
        }
        if help.contains(STREAM_JSON) {
            arguments.extend(["--output-format", STREAM_JSON]);
        }
        if let Some(session) = session {
            arguments.extend([RESUME, session]);
        }
        let mut arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        arguments.extend(self.options(|option| help.contains(option)));
        arguments
    }

    /// What both take, as far as this kiro-cli `knows` it.
    fn options(&self, knows: impl Fn(&str) -> bool) -> Vec<String> {
        let mut options = Vec::new();
        if knows("--agent-engine") {
            options.extend(["--agent-engine", "v2"].map(str::to_owned));
        }
        match self.tools.trusted() {
            // Without the option it asks, or refuses by itself.
            Some(tools) if knows("--trust-tools") => options.push(format!("--trust-tools={tools}")),
            Some(_) => {}
            None if knows("--trust-all-tools") => options.push("--trust-all-tools".into()),
            None if knows("-a,") => options.push("-a".into()),
            None => {}
        }
        if let Some(agent) = self.agent.as_deref().filter(|_| knows("--agent ")) {
            options.extend(["--agent", agent].map(str::to_owned));
        }
        if let Some(model) = self.model.as_deref().filter(|_| knows("--model")) {
            options.extend(["--model", model].map(str::to_owned));
        }
        options
    }
}

/// Starts the first kiro-cli that is there: the one that NANOCLAW_KIRO_CLI_PATH names, PATH's, the image's.
fn first_found(spawn: impl Fn(&str) -> std::io::Result<Child>) -> Result<Child, Failure> {
    let named = std::env::var("NANOCLAW_KIRO_CLI_PATH").unwrap_or_default();
    let mut places = vec!["kiro-cli", "/usr/local/bin/kiro-cli"];
    if !named.is_empty() {
        places = vec![&named];
    }
    for place in places {
        match spawn(place) {
            Ok(child) => return Ok(child),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let cause = match error.kind() {
                    ErrorKind::StorageFull => Cause::DiskFull,
                    ErrorKind::PermissionDenied => Cause::Missing,
                    _ => Cause::Unknown,
                };
                return Err(Failure::new(cause, format!("{place} can't be started: {error}.")));
            }
        }
    }
    Err(Failure::new(Cause::Missing, "kiro-cli was not found."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(tools: Option<&[&str]>) -> Launch {
        Launch {
            folder: String::new(),
            agent: Some("kiro-assistant".into()),
            model: Some("auto".into()),
            tools: Tools(tools.map(|tools| tools.iter().map(|&tool| tool.to_owned()).collect())),
            secrets: BTreeMap::new(),
        }
    }

    // A2
    #[test]
    fn acp_follows_the_help() {
        for (help, expect) in [
            (None, "acp --agent-engine v2 --trust-all-tools --agent kiro-assistant --model auto"),
            (Some("--agent-engine <v1|v2|v3>\n  -a, --trust-all-tools"), "acp --agent-engine v2 --trust-all-tools"),
            (Some("  --agent <AGENT>\n  -a, --allow"), "acp -a --agent kiro-assistant"),
            (Some("--auth-method <METHOD> --agent-engine"), "acp --auth-method cli"),
            (Some(""), "acp"),
        ] {
            assert_eq!(launch(None).acp(help).join(" "), expect, "{help:?}");
        }
        let some = launch(Some(&["fs_read", "@nanoclaw/*"]));
        for (help, expect) in [
            (Some("--trust-all-tools --trust-tools <TOOLS>"), "acp --trust-tools=fs_read,@nanoclaw"),
            (Some("--trust-all-tools"), "acp"),
        ] {
            assert_eq!(some.acp(help).join(" "), expect, "{help:?}");
        }
        assert_eq!(launch(Some(&[])).acp(Some("--trust-tools")).join(" "), "acp --trust-tools=");
    }

    // A2, R11
    #[test]
    fn chat_follows_the_help() {
        let all =
            "--output-format <text|stream-json> --wrap --trust-tools --trust-all-tools --agent-engine --resume-id";
        for (help, session, expect) in [
            ("", None, "chat --no-interactive"),
            (
                all,
                Some("s-1"),
                "chat --no-interactive --wrap never --output-format stream-json --resume-id s-1 --agent-engine v2 --trust-all-tools",
            ),
        ] {
            assert_eq!(launch(None).chat(help, session).join(" "), expect, "{help:?}");
        }
    }
}
