//! Takes NanoClaw from this computer, but for what its person keeps: the login entry, the containers, the agent's image; with
//! `data` the Home, too. Must not touch what it did not make.
//!
//! Called by `nanoclawctl uninstall`, which has asked; no NanoClaw may run in the Home.

use std::fs;

use anyhow::{Context, Result};
use nanoclaw_core::{autostart::Entry, problem::Trouble};
use serde::Serialize;

use crate::{
    autostart,
    container::clear::{self, Cleared},
    control::HomeLock,
    kiro,
    paths::Home,
    settings,
    store::{self, Store},
};

/// What was done: `{autostart, engine, home, data, left}`.
#[derive(Debug, Serialize)]
pub struct Done {
    /// Whether an entry of ours was there and is gone.
    pub autostart: bool,
    /// `None` where no engine answered: then what is there stays.
    pub engine: Option<Cleared>,
    pub home: String,
    /// Whether the Home is gone.
    pub data: bool,
    /// What stays, and how it goes, in sentences.
    pub left: Vec<String>,
}

/// `program`: what a login entry of ours starts.
///
/// # Errors
/// [`Trouble::HomeInUse`], and what could not be removed.
pub async fn uninstall(home: &Home, program: &str, data: bool) -> Result<Done> {
    let exists = home.root().exists();
    let lock = if exists { Some(HomeLock::take(home).map_err(spoken)?) } else { None };
    let user = home.places().user;
    let is_ours = autostart::read(&user, program)? == Entry::Ours;
    if is_ours {
        autostart::remove(&user)?;
    }
    let install = if home.database().exists() { Some(install(home).await?) } else { None };
    let engine = match clear::clear(&settings::load(home).0, install.as_deref()).await {
        Ok(cleared) => Some(cleared),
        Err(Trouble::EngineAbsent { .. }) => None,
        Err(trouble) => return Err(spoken(trouble)),
    };
    let mut left = left(engine);
    if data && exists {
        // Without a key store there is no key in it.
        if let Err(trouble) = kiro::keys::keep(home, None) {
            tracing::warn!(code = trouble.code(), "The key store was not looked at");
        }
        fs::remove_dir_all(home.root()).with_context(|| format!("{} can't be removed", home.root().display()))?;
    } else if exists {
        let home = home.root().display();
        left.insert(
            0,
            format!("Chats, sign-ins, settings and logs stay in {home}; `nanoclawctl uninstall --data` removes them."),
        );
    }
    drop(lock);
    // Empty, but where somebody else has put something there.
    let _ = fs::remove_dir(user.join(".config/com.nanoclaw"));
    Ok(Done { autostart: is_ours, engine, home: home.root().display().to_string(), data: data && exists, left })
}

async fn install(home: &Home) -> Result<String> {
    let store = Store::open(&home.database()).map_err(spoken)?;
    store.write(|db| store::install_id(db)).await
}

fn left(engine: Option<Cleared>) -> Vec<String> {
    let mut left = Vec::new();
    match engine {
        None => left.push(
            "Docker is not running: containers and image stay there until this is done again with it.".to_owned(),
        ),
        Some(Cleared { image: clear::Image::Kept, .. }) => {
            left.push("The agent's image stays: somebody else made it, or something still uses it.".to_owned());
        }
        Some(_) => {}
    }
    left.push(
        "On your phone NanoClaw stands under Linked devices, unless you ran `nanoclawctl logout` before.".to_owned(),
    );
    left.push("~/.kiro and ~/.config/nanoclaw/mount-allowlist.json are yours and stay.".to_owned());
    left.push("The programs themselves go as they came.".to_owned());
    left
}

fn spoken(trouble: Trouble) -> anyhow::Error {
    let problem = trouble.problem();
    anyhow::anyhow!("{} {}", problem.text, problem.cure)
}
