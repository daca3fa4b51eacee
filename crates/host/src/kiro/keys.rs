//! Kiro's API key, in the platform's key store (K4): the Keychain, or the Secret Service over D-Bus. Without one, NanoClaw's own
//! environment. The key is never on disk, in argv or in a log of ours.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::TryRecvError,
    },
    thread,
    time::Duration,
};

use keyring::{Entry, Error};
use nanoclaw_core::{kiro::Secret, problem::Trouble};

use super::program::KEY;
use crate::paths::Home;

const SERVICE: &str = "com.nanoclaw.kiro";
/// A locked store asks its user for a password first.
const PATIENCE: Duration = Duration::from_secs(60);
/// It was not waited for any longer and still asks its user: it is not asked again meanwhile, each time would be a question.
static STILL_ASKS: AtomicBool = AtomicBool::new(false);

/// The key of this Home: of the store, else of the environment. `None`: there is none.
///
/// # Errors
/// [`Trouble::NoKeyStore`], where the environment has none either.
pub fn read(home: &Home) -> Result<Option<Secret>, Trouble> {
    let named = || std::env::var(KEY).ok().and_then(|key| Secret(key).api_key().ok());
    match of_store(home, |entry| entry.get_password()) {
        Ok(key) => Ok(Some(Secret(key))),
        Err(Error::NoEntry) => Ok(named()),
        Err(error) => named().map(Some).ok_or_else(|| no_store(&error)),
    }
}

/// Keeps a key, or with `None` removes the one that is kept.
///
/// # Errors
/// [`Trouble::NoKeyStore`].
pub fn keep(home: &Home, key: Option<&Secret>) -> Result<(), Trouble> {
    let key = key.cloned();
    let kept = of_store(home, move |entry| match &key {
        Some(key) => entry.set_password(&key.0),
        None => entry.delete_credential(),
    });
    match kept {
        Ok(()) | Err(Error::NoEntry) => Ok(()),
        Err(error) => Err(no_store(&error)),
    }
}

/// In a thread of its own: the store's library blocks, and a store may wait for its user for ever.
fn of_store<T: Send + 'static>(
    home: &Home,
    act: impl FnOnce(&Entry) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    // Each Home has its own.
    let user = home.root().display().to_string();
    let (tell, told) = std::sync::mpsc::channel();
    let failed = |reason: &str| Error::NoStorageAccess(reason.into());
    if STILL_ASKS.load(Ordering::SeqCst) {
        return Err(failed("it does not answer"));
    }
    let work = move || {
        let _ = tell.send(Entry::new(SERVICE, &user).and_then(|entry| act(&entry)));
        STILL_ASKS.store(false, Ordering::SeqCst);
    };
    thread::Builder::new().name("key store".to_owned()).spawn(work).map_err(|error| failed(&error.to_string()))?;
    let late = |_| {
        STILL_ASKS.store(true, Ordering::SeqCst);
        // It may have answered, or failed, just then.
        let said = told.try_recv();
        if !matches!(said, Err(TryRecvError::Empty)) {
            STILL_ASKS.store(false, Ordering::SeqCst);
        }
        said
    };
    told.recv_timeout(PATIENCE).or_else(late).unwrap_or_else(|error| {
        Err(failed(match error {
            TryRecvError::Empty => "it does not answer",
            TryRecvError::Disconnected => "its library failed",
        }))
    })
}

/// The store's own words, but for those that may hold what is kept.
fn no_store(error: &Error) -> Trouble {
    let reason = match error {
        Error::NoStorageAccess(reason) | Error::PlatformFailure(reason) => reason.to_string(),
        Error::NoDefaultStore => match Entry::store_status() {
            Err(Error::NoStorageAccess(reason) | Error::PlatformFailure(reason)) => reason.to_string(),
            _ => "there is none".to_owned(),
        },
        _ => "it does not work".to_owned(),
    };
    Trouble::NoKeyStore { reason: reason.lines().next().unwrap_or_default().chars().take(200).collect() }
}
