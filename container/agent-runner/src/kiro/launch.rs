//! How kiro-cli is started: where it is, its arguments, its environment.
//!
//! The first start assumes a kiro-cli that knows every option. One that doesn't leaves at once with exit 2; then `acp --help`
//! is asked and only what it names is used. So the usual start costs no second process.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nanoclaw_protocol::Cause;
use tokio::process::{Child, Command};

use super::Failure;

/// What a program that does not know its arguments exits with.
pub const BAD_ARGUMENTS: i32 = 2;

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
pub struct Launch {
    /// The group's folder, Kiro's working directory.
    pub folder: String,
    pub agent: Option<String>,
    pub model: Option<String>,
    /// Environment of kiro-cli alone.
    pub secrets: BTreeMap<String, String>,
}

impl Launch {
    /// From the runner's environment: NANOCLAW_GROUP_DIR, KIRO_AGENT_NAME, KIRO_MODEL.
    pub fn new(secrets: BTreeMap<String, String>) -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            folder: set("NANOCLAW_GROUP_DIR").unwrap_or_else(|| "/workspace/group".into()),
            agent: set("KIRO_AGENT_NAME"),
            model: set("KIRO_MODEL"),
            secrets,
        }
    }

    /// `kiro-cli acp`, its pipes attached. `help` is what its `acp --help` says, if that had to be asked.
    pub fn spawn(&self, help: Option<&str>) -> Result<Child, Failure> {
        if !Path::new(&self.folder).is_dir() {
            let text = format!("The group's folder {} is not there.", self.folder);
            return Err(Failure::new(Cause::Unknown, text));
        }
        first_found(|program| {
            Command::new(program)
                .args(self.arguments(help))
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

    /// What `kiro-cli acp --help` says; empty where it says nothing in time.
    pub async fn help(&self) -> Result<String, Failure> {
        let child = first_found(|program| {
            Command::new(program)
                .args(["acp", "--help"])
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

    fn arguments(&self, help: Option<&str>) -> Vec<&str> {
        let knows = |option: &str| help.is_none_or(|help| help.contains(option));
        let mut arguments = vec!["acp"];
        if help.is_some() && knows("--auth-method") {
            // Version 3 takes this and refuses the others.
            arguments.extend(["--auth-method", "cli"]);
            return arguments;
        }
        if knows("--agent-engine") {
            arguments.extend(["--agent-engine", "v2"]);
        }
        if knows("--trust-all-tools") {
            arguments.push("--trust-all-tools");
        } else if knows("-a,") {
            arguments.push("-a");
        }
        if let Some(agent) = self.agent.as_deref().filter(|_| knows("--agent ")) {
            arguments.extend(["--agent", agent]);
        }
        if let Some(model) = self.model.as_deref().filter(|_| knows("--model")) {
            arguments.extend(["--model", model]);
        }
        arguments
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

    #[test]
    fn arguments_follow_the_help() {
        let launch = Launch {
            folder: String::new(),
            agent: Some("kiro-assistant".into()),
            model: Some("auto".into()),
            secrets: BTreeMap::new(),
        };
        for (help, expect) in [
            (None, "acp --agent-engine v2 --trust-all-tools --agent kiro-assistant --model auto"),
            (Some("--agent-engine <v1|v2|v3>\n  -a, --trust-all-tools"), "acp --agent-engine v2 --trust-all-tools"),
            (Some("  --agent <AGENT>\n  -a, --allow"), "acp -a --agent kiro-assistant"),
            (Some("--auth-method <METHOD> --agent-engine"), "acp --auth-method cli"),
            (Some(""), "acp"),
        ] {
            assert_eq!(launch.arguments(help).join(" "), expect, "{help:?}");
        }
    }
}
