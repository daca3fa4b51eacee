//! The sign-in as kiro-cli keeps it: one file in its data folder, with a token that expires and a refresh token that is good
//! for one use. JSON stands in for SQLite; the file's name and place are kiro-cli's.
//!
//! The other side of the refresh, which knows the one refresh token that is good, is a file beside it: who shares the folder
//! talks to the same one. A refresh waits on the network with nothing locked, so two clients can race; a client of an older
//! version that comes second deletes the token. A write that is killed in its midst leaves the store empty.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::script::{Account, Tokens, log};

const STORE: &str = "data.sqlite3";
const PROVIDER: &str = "fake-provider.json";
/// How its tokens begin: they must be in no log, argument or environment.
const ACCESS_TOKEN: &str = "aoa-fake-access-token";
const REFRESH_TOKEN: &str = "aor-fake-refresh-token";

#[derive(Clone, Deserialize, Serialize)]
struct Token {
    account: Account,
    refresh: u64,
    /// Milliseconds of Unix time.
    expires_at: u64,
    /// Under the name of kiro-cli's table, what a real one would be.
    #[serde(flatten)]
    kept: BTreeMap<String, Value>,
}

impl Token {
    fn new(account: Account, refresh: u64, tokens: &Tokens) -> Token {
        let name = match account.account_type.as_str() {
            "Social" => "kirocli:social:token",
            "ExternalIdP" => "kirocli:external-idp:token",
            _ => "kirocli:odic:token",
        };
        let secrets = json!({
            "access_token": format!("{ACCESS_TOKEN}-{refresh}"),
            "refresh_token": format!("{REFRESH_TOKEN}-{refresh}"),
        });
        let kept = BTreeMap::from([(name.to_owned(), secrets)]);
        Token { account, refresh, expires_at: now() + tokens.live_ms, kept }
    }
}

/// What the identity provider knows.
#[derive(Default, Deserialize, Serialize)]
struct Provider {
    /// The one refresh token that is good.
    good: u64,
}

/// Held while the store is written, so that an end that was asked for waits for it.
static WRITING: Mutex<()> = Mutex::new(());

/// Whose token the store holds, made fresh where it has expired. None: signed out, maybe by this very use.
pub fn account(tokens: &Tokens) -> Option<Account> {
    let token: Token = read(STORE)?;
    if token.expires_at > now() { Some(token.account) } else { refresh(tokens, &token) }
}

/// Signs `account` in.
pub fn keep(account: Account, tokens: &Tokens) -> io::Result<()> {
    let _lock = locked()?;
    let refresh = rotate()?;
    write(tokens, &Token::new(account, refresh, tokens))
}

pub fn remove() -> io::Result<()> {
    let _lock = locked()?;
    match fs::remove_file(folder().join(STORE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Nothing is being written as long as this is held.
pub fn settled() -> MutexGuard<'static, ()> {
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refresh(tokens: &Tokens, stale: &Token) -> Option<Account> {
    sleep(Duration::from_millis(tokens.refresh_ms));
    let lock = locked().ok()?;
    let good = read_in::<Provider>(&folder(), PROVIDER).unwrap_or_default().good == stale.refresh;
    log(&serde_json::json!({"event": "refresh", "good": good}));
    if good {
        let fresh = Token::new(stale.account.clone(), rotate().ok()?, tokens);
        // On a read-only mount the old token stays, and is good no more.
        return write(tokens, &fresh).ok().map(|()| fresh.account);
    }
    if tokens.older_client {
        drop(lock);
        let _ = remove();
        return None;
    }
    // Somebody else was first: theirs serves.
    read_in::<Token>(&folder(), STORE).filter(|token| token.expires_at > now()).map(|token| token.account)
}

/// A new refresh token, the only one that is good from now on.
fn rotate() -> io::Result<u64> {
    let good = read_in::<Provider>(&folder(), PROVIDER).unwrap_or_default().good + 1;
    fs::write(folder().join(PROVIDER), serde_json::to_vec(&Provider { good })?)?;
    Ok(good)
}

fn write(tokens: &Tokens, token: &Token) -> io::Result<()> {
    let _writing = settled();
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(folder().join(STORE))?;
    sleep(Duration::from_millis(tokens.write_ms));
    file.write_all(&serde_json::to_vec(token)?)
}

/// What is there under `name`, once nobody writes it.
fn read<T: DeserializeOwned>(name: &str) -> Option<T> {
    let folder = folder();
    // Without the lock's file nothing was written yet, or the folder is read-only.
    let lock = File::open(folder.join("lock")).ok();
    if let Some(lock) = &lock {
        lock.lock_shared().ok()?;
    }
    read_in(&folder, name)
}

fn read_in<T: DeserializeOwned>(folder: &Path, name: &str) -> Option<T> {
    serde_json::from_slice(&fs::read(folder.join(name)).ok()?).ok()
}

fn locked() -> io::Result<File> {
    fs::create_dir_all(folder())?;
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(folder().join("lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// kiro-cli's data folder.
fn folder() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME").unwrap_or_else(|| "/tmp".into());
    set("KIRO_DATA_DIR").unwrap_or_else(|| {
        let data = if cfg!(target_os = "macos") {
            home().join("Library/Application Support")
        } else {
            set("XDG_DATA_HOME").unwrap_or_else(|| home().join(".local/share"))
        };
        data.join("kiro-cli")
    })
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
