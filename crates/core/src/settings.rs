//! The settings: their names, defaults and what is allowed (behaviour.md, Configuration).
//!
//! A value comes from the environment (the name, or the name with `NANOCLAW_` before it), else from `settings.json`, else it
//! is the default. A bad value is a trouble that names the key, the value and what is allowed; then the default is used.

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::problem::Trouble;

/// One setting: its name, its default as a person would type it, what it accepts and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub name: &'static str,
    pub default: &'static str,
    pub accepts: Accepts,
    pub meaning: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// A text that must not be empty.
    Text,
    /// A text or nothing.
    Optional,
    Bool,
    /// A whole number within bounds, in `unit`.
    Number {
        min: u64,
        max: u64,
        unit: &'static str,
    },
    Choice(&'static [&'static str]),
    /// An IANA zone, or nothing for the system's.
    Zone,
}

pub(crate) const DAY_MS: u64 = 86_400_000;
const TIB: u64 = 1 << 40;

const fn number(min: u64, max: u64, unit: &'static str) -> Accepts {
    Accepts::Number { min, max, unit }
}

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "ASSISTANT_NAME",
        default: "Andy",
        accepts: Accepts::Text,
        meaning: "What the agent is called in chats.",
    },
    Setting {
        name: "ASSISTANT_HAS_OWN_NUMBER",
        default: "false",
        accepts: Accepts::Bool,
        meaning: "Whether the linked number is the agent's alone.",
    },
    Setting {
        name: "CONTAINER_TIMEOUT",
        default: "1800000",
        accepts: number(1_000, DAY_MS, "milliseconds"),
        meaning: "The longest a run may go on without a result.",
    },
    Setting {
        name: "IDLE_TIMEOUT",
        default: "300000",
        accepts: number(100, DAY_MS, "milliseconds"),
        meaning: "How long a run waits for follow-ups.",
    },
    Setting {
        name: "CONTAINER_MAX_OUTPUT_SIZE",
        default: "10485760",
        accepts: number(1_024, TIB, "bytes"),
        meaning: "How much of a run's output is kept.",
    },
    Setting {
        name: "MAX_CONCURRENT_CONTAINERS",
        default: "5",
        accepts: number(1, 1_000, "containers"),
        meaning: "How many containers may run at once.",
    },
    Setting {
        name: "CONTAINER_MEMORY",
        default: "4294967296",
        accepts: number(64 << 20, TIB, "bytes"),
        meaning: "The memory a container may use.",
    },
    Setting {
        name: "CONTAINER_CPUS",
        default: "0",
        accepts: number(0, 1_024, "CPUs, 0 for all"),
        meaning: "The CPUs a container may use.",
    },
    Setting {
        name: "PIDS_LIMIT",
        default: "512",
        accepts: number(16, 1 << 20, "processes"),
        meaning: "How many processes a container may have.",
    },
    Setting {
        name: "TZ",
        default: "",
        accepts: Accepts::Zone,
        meaning: "The zone of times and schedules; empty for the system's.",
    },
    Setting {
        name: "KIRO_AGENT_NAME",
        default: "",
        accepts: Accepts::Optional,
        meaning: "Kiro's agent; empty to read it from agent_config.json.",
    },
    Setting {
        name: "KIRO_MODEL",
        default: "",
        accepts: Accepts::Optional,
        meaning: "Kiro's model; empty for Kiro's own choice.",
    },
    Setting {
        name: "KIRO_MODE",
        default: "shared",
        accepts: Accepts::Choice(&["shared", "own", "api-key"]),
        meaning: "Whose Kiro sign-in the agent uses.",
    },
    Setting {
        name: "KIRO_CLI_PATH",
        default: "",
        accepts: Accepts::Optional,
        meaning: "Where kiro-cli is; empty to find it.",
    },
    Setting {
        name: "AGENT_IMAGE",
        default: "nanoclaw-agent:latest",
        accepts: Accepts::Text,
        meaning: "The image that agents run in.",
    },
    Setting {
        name: "AGENT_RUNTIME",
        default: "docker",
        accepts: Accepts::Choice(&["docker", "host"]),
        meaning: "Where agents run: in containers, or unprotected on this computer.",
    },
    Setting {
        name: "AGENT_ONE_SHOT",
        default: "false",
        accepts: Accepts::Bool,
        meaning: "Whether a run ends after its first result.",
    },
    Setting {
        name: "ENGINE_SOCKET",
        default: "",
        accepts: Accepts::Optional,
        meaning: "The engine's address; empty to find it.",
    },
    Setting {
        name: "LOG_LEVEL",
        default: "info",
        accepts: Accepts::Choice(&["error", "warn", "info", "debug", "trace"]),
        meaning: "How much is logged.",
    },
    Setting {
        name: "LOG_MAX_BYTES",
        default: "104857600",
        accepts: number(1 << 20, TIB, "bytes"),
        meaning: "How large all logs together may grow.",
    },
    Setting {
        name: "MESSAGE_RETENTION_DAYS",
        default: "0",
        accepts: number(0, 36_500, "days, 0 for ever"),
        meaning: "How long texts are kept that the agent has dealt with.",
    },
];

impl Setting {
    pub fn named(name: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// The value as it is used.
    ///
    /// # Errors
    /// [`Trouble::BadSetting`] when the value is not allowed.
    pub fn check(&self, value: &str) -> Result<String, Trouble> {
        let value = value.trim();
        let ok = match self.accepts {
            Accepts::Text => !value.is_empty(),
            Accepts::Optional => true,
            Accepts::Bool => matches!(value, "true" | "false"),
            Accepts::Number { min, max, .. } => value.parse::<u64>().is_ok_and(|number| (min..=max).contains(&number)),
            Accepts::Choice(choices) => choices.contains(&value),
            Accepts::Zone => value.is_empty() || TimeZone::get(value).is_ok(),
        };
        if ok && !value.chars().any(char::is_control) {
            return Ok(value.to_owned());
        }
        Err(Trouble::BadSetting {
            key: self.name.to_owned(),
            value: value.chars().take(100).collect(),
            allowed: self.allowed(),
            used: if self.default.is_empty() { "the default".to_owned() } else { self.default.to_owned() },
        })
    }

    /// What is allowed, as the rest of a sentence that begins "It must be".
    pub fn allowed(&self) -> String {
        match self.accepts {
            Accepts::Text => "a text of one line".to_owned(),
            Accepts::Optional => "a text of one line, or empty".to_owned(),
            Accepts::Bool => "true or false".to_owned(),
            Accepts::Number { min, max, unit } => {
                format!("a whole number from {min} to {max} ({unit})")
            }
            Accepts::Choice(choices) => format!("one of {}", choices.join(", ")),
            Accepts::Zone => "a time zone like Europe/Berlin, or empty".to_owned(),
        }
    }
}

/// All settings, resolved. Durations are milliseconds, sizes are bytes.
#[derive(Clone, Debug)]
pub struct Settings {
    pub assistant_name: String,
    pub own_number: bool,
    pub container_timeout: u64,
    pub idle_timeout: u64,
    pub max_output: usize,
    pub max_containers: usize,
    pub memory: u64,
    /// 0: as many as the host has.
    pub cpus: u64,
    pub pids_limit: u64,
    pub zone: TimeZone,
    pub kiro_agent: Option<String>,
    pub kiro_model: Option<String>,
    pub kiro_mode: KiroMode,
    pub kiro_cli_path: Option<String>,
    pub agent_image: String,
    pub runtime: Runtime,
    pub one_shot: bool,
    pub engine_socket: Option<String>,
    pub log_level: String,
    pub log_max_bytes: u64,
    pub retention_days: u64,
}

/// Whose Kiro sign-in the agent uses (K4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KiroMode {
    Shared,
    Own,
    ApiKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    Docker,
    Host,
}

impl Settings {
    /// Never fails: each bad value becomes a trouble, and its default is used. Keys of the file that are no settings are
    /// troubles too.
    ///
    /// # Arguments
    /// `system_zone`: used where TZ is not set.
    pub fn resolve(
        file: &Map<String, Value>,
        environment: impl Fn(&str) -> Option<String>,
        system_zone: TimeZone,
    ) -> (Settings, Vec<Trouble>) {
        let mut troubles: Vec<Trouble> = file
            .keys()
            .filter(|key| Setting::named(key).is_none())
            .map(|key| Trouble::UnknownSetting { key: key.clone() })
            .collect();
        let mut value = |name: &str| -> String {
            let Some(setting) = Setting::named(name) else {
                return String::new();
            };
            let given = environment(&format!("NANOCLAW_{name}"))
                .or_else(|| environment(name))
                .or_else(|| file.get(name).map(plain));
            match given.map(|given| setting.check(&given)) {
                Some(Ok(value)) => value,
                Some(Err(trouble)) => {
                    troubles.push(trouble);
                    setting.default.to_owned()
                }
                None => setting.default.to_owned(),
            }
        };
        let optional = |text: String| (!text.is_empty()).then_some(text);
        let number = |text: String| text.parse::<u64>().unwrap_or_default();
        let zone = value("TZ");
        let settings = Settings {
            assistant_name: value("ASSISTANT_NAME"),
            own_number: value("ASSISTANT_HAS_OWN_NUMBER") == "true",
            container_timeout: number(value("CONTAINER_TIMEOUT")),
            idle_timeout: number(value("IDLE_TIMEOUT")),
            max_output: usize::try_from(number(value("CONTAINER_MAX_OUTPUT_SIZE"))).unwrap_or(usize::MAX),
            max_containers: usize::try_from(number(value("MAX_CONCURRENT_CONTAINERS"))).unwrap_or(1).max(1),
            memory: number(value("CONTAINER_MEMORY")),
            cpus: number(value("CONTAINER_CPUS")),
            pids_limit: number(value("PIDS_LIMIT")),
            zone: if zone.is_empty() { system_zone } else { TimeZone::get(&zone).unwrap_or(TimeZone::UTC) },
            kiro_agent: optional(value("KIRO_AGENT_NAME")),
            kiro_model: optional(value("KIRO_MODEL")),
            kiro_mode: match value("KIRO_MODE").as_str() {
                "own" => KiroMode::Own,
                "api-key" => KiroMode::ApiKey,
                _ => KiroMode::Shared,
            },
            kiro_cli_path: optional(value("KIRO_CLI_PATH")),
            agent_image: value("AGENT_IMAGE"),
            runtime: if value("AGENT_RUNTIME") == "host" { Runtime::Host } else { Runtime::Docker },
            one_shot: value("AGENT_ONE_SHOT") == "true",
            engine_socket: optional(value("ENGINE_SOCKET")),
            log_level: value("LOG_LEVEL"),
            log_max_bytes: number(value("LOG_MAX_BYTES")),
            retention_days: number(value("MESSAGE_RETENTION_DAYS")),
        };
        (settings, troubles)
    }
}

/// A value of settings.json as a person would type it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resolve(file: Value, environment: &[(&str, &str)]) -> (Settings, Vec<Trouble>) {
        let lookup =
            |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Settings::resolve(file.as_object().unwrap(), lookup, TimeZone::UTC)
    }

    #[test]
    fn every_default_is_allowed() {
        for setting in SETTINGS {
            assert!(setting.check(setting.default).is_ok(), "{}", setting.name);
        }
        assert_eq!(resolve(json!({}), &[]).1, []);
    }

    #[test]
    fn environment_over_file_over_default() {
        let file = json!({"ASSISTANT_NAME": "Ben", "IDLE_TIMEOUT": 1000, "ASSISTANT_HAS_OWN_NUMBER": true});
        let (settings, troubles) =
            resolve(file, &[("ASSISTANT_NAME", "Cleo"), ("NANOCLAW_ASSISTANT_NAME", "Dora"), ("TZ", "Asia/Tokyo")]);
        assert_eq!(troubles, []);
        assert_eq!(settings.assistant_name, "Dora");
        assert_eq!(settings.idle_timeout, 1000);
        assert!(settings.own_number);
        assert_eq!(settings.zone.iana_name(), Some("Asia/Tokyo"));
        assert_eq!(settings.max_containers, 5);
    }

    #[test]
    fn a_bad_value_is_said_and_the_default_used() {
        for (key, bad) in [
            ("MAX_CONCURRENT_CONTAINERS", "0"),
            ("IDLE_TIMEOUT", "-1"),
            ("IDLE_TIMEOUT", "5 min"),
            ("KIRO_MODE", "other"),
            ("TZ", "Mars/Olympus"),
            ("ASSISTANT_NAME", " "),
            ("ASSISTANT_HAS_OWN_NUMBER", "yes"),
            ("AGENT_IMAGE", "a\nb"),
        ] {
            let (settings, troubles) = resolve(json!({ key: bad }), &[]);
            assert_eq!(troubles.len(), 1, "{key}");
            let problem = troubles[0].problem();
            assert!(problem.text.contains(key) && !problem.cure.is_empty(), "{problem:?}");
            assert_eq!(settings.max_containers, 5);
        }
        assert_eq!(resolve(json!({"TYPO": 1}), &[]).1[0].code(), "unknown-setting");
    }
}
