//! Reads and writes settings.json; what a setting is and may be is core's (behaviour.md, Configuration).
//!
//! A change is used from the next start on: nothing here watches the file.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use jiff::{Timestamp, tz::TimeZone};
use nanoclaw_core::{
    problem::Trouble,
    settings::{Accepts, SETTINGS, Setting, Settings},
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    control::HomeLock,
    paths::Home,
    store::{Store, retention},
};

/// A setting as a person sees it: `settings get --json` prints these.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    pub name: &'static str,
    /// What is in use: a bad value is not shown here, it is a trouble.
    pub value: Value,
    pub source: Source,
    pub default: Value,
    /// The rest of a sentence that begins "It must be".
    pub allowed: String,
    /// The values that it may have, where they are few.
    pub choices: &'static [&'static str],
    /// The least and the most that it may be, where it is a number.
    pub range: Option<[u64; 2]>,
    pub meaning: &'static str,
    /// Whether the NanoClaw that runs uses another value until its next start. Only that one tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Environment,
    File,
    Default,
}

/// The settings in use. Never fails: what is bad is a trouble, and its default is used.
pub fn load(home: &Home) -> (Settings, Vec<Trouble>) {
    let (file, unreadable) = match read(&home.settings()) {
        Ok(file) => (file, None),
        Err(trouble) => (Map::new(), Some(trouble)),
    };
    let (settings, mut troubles) = Settings::resolve(&file, environment, TimeZone::system());
    troubles.splice(0..0, unreadable);
    (settings, troubles)
}

/// All settings, or the one named, with where each comes from.
///
/// # Errors
/// An unknown name, or an unreadable file.
pub fn get(home: &Home, name: Option<&str>) -> Result<Vec<Shown>, Trouble> {
    let file = read(&home.settings())?;
    match name {
        None => Ok(SETTINGS.iter().map(|setting| shown(setting, &file)).collect()),
        Some(name) => Ok(vec![shown(named(name)?, &file)]),
    }
}

/// What settings.json holds, as it stands there.
///
/// # Errors
/// It can't be read.
pub fn stored(home: &Home) -> Result<Map<String, Value>, Trouble> {
    read(&home.settings())
}

/// Writes one value; the other keys of the file stay as they are.
///
/// # Errors
/// An unknown name, a value that is not allowed, or a file that can't be read or written; then nothing is changed.
pub fn set(home: &Home, name: &str, value: &str) -> Result<Shown, Trouble> {
    let setting = named(name)?;
    let value = typed(setting, &setting.check(value)?);
    home.create()?;
    let _alone = exclusive(home.root()).map_err(unwritable)?;
    let mut file = read(&home.settings())?;
    file.insert(setting.name.to_owned(), value);
    write(&home.settings(), &file).map_err(unwritable)?;
    Ok(shown(setting, &file))
}

/// How many texts the next start would forget, were they kept for so many days. For who asks without a NanoClaw that runs.
///
/// # Errors
/// One runs, or the database can't be used.
pub async fn forgets(home: &Home, days: u32) -> Result<u64, Trouble> {
    if !home.database().exists() {
        return Ok(0);
    }
    let _lock = HomeLock::take(home)?;
    let store = Store::open(&home.database())?;
    let count = async || {
        let Some(before) = retention::before(days.into(), Timestamp::now())? else { return Ok(0) };
        store.read(move |db| retention::count(db, before)).await
    };
    count().await.map_err(|error: anyhow::Error| Trouble::Internal { reason: format!("{error:#}.") })
}

fn named(name: &str) -> Result<&'static Setting, Trouble> {
    Setting::named(name).ok_or_else(|| Trouble::UnknownSetting { key: name.chars().take(100).collect() })
}

fn environment(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?;
    // TZ belongs to the whole system and may say `:/etc/localtime` or `CET-1CEST`: such a zone is the system's, not a mistake.
    (name != "TZ" || TimeZone::get(&value).is_ok()).then_some(value)
}

fn shown(setting: &'static Setting, file: &Map<String, Value>) -> Shown {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let environment = environment(&format!("NANOCLAW_{}", setting.name)).or_else(|| environment(setting.name));
    let given = environment
        .map(|value| (value, Source::Environment))
        .or_else(|| file.get(setting.name).map(|value| (plain(value), Source::File)))
        .and_then(|(value, source)| Some((setting.check(&value).ok()?, source)));
    let default = typed(setting, setting.default);
    let (value, source) = match given {
        Some((value, source)) => (typed(setting, &value), source),
        None => (default.clone(), Source::Default),
    };
    let (choices, range) = match setting.accepts {
        Accepts::Choice(choices) => (choices, None),
        Accepts::Number { min, max, .. } => (&[] as &[_], Some([min, max])),
        _ => (&[] as &[_], None),
    };
    Shown {
        name: setting.name,
        value,
        source,
        default,
        allowed: setting.allowed(),
        choices,
        range,
        meaning: setting.meaning,
        pending: None,
    }
}

/// A value as it stands in settings.json.
fn typed(setting: &Setting, value: &str) -> Value {
    match setting.accepts {
        Accepts::Bool => Value::Bool(value == "true"),
        Accepts::Number { .. } => value.parse::<u64>().map_or(Value::Null, Value::from),
        _ => Value::from(value),
    }
}

fn read(path: &Path) -> Result<Map<String, Value>, Trouble> {
    let unreadable = |reason: String| Trouble::SettingsUnreadable { reason };
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

/// A reader sees the old file or the new one, never a part.
fn write(path: &Path, file: &Map<String, Value>) -> io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(file)?;
    bytes.push(b'\n');
    let temporary = path.with_extension("json.new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut new = options.open(&temporary)?;
    new.write_all(&bytes)?;
    new.sync_all()?;
    fs::rename(&temporary, path)
}

/// Two writers at once would lose one's change: the Home's folder is locked until the file is dropped.
fn exclusive(folder: &Path) -> io::Result<fs::File> {
    let folder = fs::File::open(folder)?;
    #[cfg(unix)]
    rustix::fs::flock(&folder, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(folder)
}

fn unwritable(error: io::Error) -> Trouble {
    Trouble::Internal { reason: format!("settings.json can't be written: {error}.") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn home() -> (tempfile::TempDir, Home) {
        let place = tempfile::tempdir().unwrap();
        let home = Home::at(place.path()).unwrap();
        (place, home)
    }

    #[test]
    fn a_missing_file_means_the_defaults() {
        let (_place, home) = home();
        let (settings, troubles) = load(&home);
        assert_eq!((settings.assistant_name.as_str(), settings.max_containers), ("Andy", 5));
        assert_eq!(troubles, []);
    }

    #[test]
    fn a_bad_file_is_said_kept_and_never_overwritten() {
        for bad in ["{\"ASSISTANT_NAME\":", "[1]", "\u{0}\u{1}", ""] {
            let (_place, home) = home();
            fs::write(home.settings(), bad).unwrap();
            let (settings, troubles) = load(&home);
            assert_eq!(settings.assistant_name, "Andy");
            assert_eq!(troubles.iter().map(Trouble::code).collect::<Vec<_>>(), ["settings-unreadable"], "{bad:?}");
            assert_eq!(set(&home, "ASSISTANT_NAME", "Ben").unwrap_err().code(), "settings-unreadable");
            assert_eq!(fs::read_to_string(home.settings()).unwrap(), bad);
        }
    }

    #[test]
    fn a_bad_value_in_the_file_is_said_and_the_default_used() {
        let (_place, home) = home();
        fs::write(home.settings(), r#"{"IDLE_TIMEOUT": "soon", "ASSISTANT_NAME": "Ben"}"#).unwrap();
        let (settings, troubles) = load(&home);
        assert_eq!((settings.idle_timeout, settings.assistant_name.as_str()), (300_000, "Ben"));
        assert_eq!(troubles.len(), 1);
        let idle = get(&home, Some("IDLE_TIMEOUT")).unwrap().remove(0);
        assert_eq!((idle.value, idle.source), (json!(300_000), Source::Default));
    }

    #[test]
    fn what_is_set_is_read_again_and_the_rest_stays() {
        let (_place, home) = home();
        fs::write(home.settings(), r#"{"FROM_LATER": [1, 2]}"#).unwrap();
        set(&home, "IDLE_TIMEOUT", " 1000 ").unwrap();
        set(&home, "ASSISTANT_HAS_OWN_NUMBER", "true").unwrap();
        let shown = set(&home, "ASSISTANT_NAME", "Zoë").unwrap();
        assert_eq!((shown.value, shown.source), (json!("Zoë"), Source::File));
        let settings = load(&home).0;
        assert_eq!((settings.idle_timeout, settings.own_number, settings.assistant_name.as_str()), (1000, true, "Zoë"));
        let file: Value = serde_json::from_slice(&fs::read(home.settings()).unwrap()).unwrap();
        let expect = json!({"FROM_LATER": [1, 2], "IDLE_TIMEOUT": 1000, "ASSISTANT_HAS_OWN_NUMBER": true, "ASSISTANT_NAME": "Zoë"});
        assert_eq!(file, expect);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(home.settings()).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_bad_value_or_name_is_refused_and_nothing_written() {
        let (_place, home) = home();
        for (name, value, code) in [
            ("MAX_CONCURRENT_CONTAINERS", "0", "bad-setting"),
            ("KIRO_MODE", "mine", "bad-setting"),
            ("ASSISTANT_NAME", "", "bad-setting"),
            ("TYPO", "1", "unknown-setting"),
        ] {
            assert_eq!(set(&home, name, value).unwrap_err().code(), code);
        }
        assert!(!home.settings().exists());
        assert_eq!(get(&home, Some("TYPO")).unwrap_err().code(), "unknown-setting");
        assert_eq!(get(&home, None).unwrap().len(), SETTINGS.len());
    }

    #[test]
    fn writers_at_once_lose_nothing() {
        let (_place, home) = home();
        let names = ["IDLE_TIMEOUT", "CONTAINER_TIMEOUT", "PIDS_LIMIT", "CONTAINER_MAX_OUTPUT_SIZE"];
        std::thread::scope(|scope| {
            for name in names {
                let home = &home;
                scope.spawn(move || (0..10).for_each(|n| drop(set(home, name, &(2000 + n).to_string()).unwrap())));
            }
        });
        for name in names {
            assert_eq!(get(&home, Some(name)).unwrap()[0].value, json!(2009), "{name}");
        }
    }
}
