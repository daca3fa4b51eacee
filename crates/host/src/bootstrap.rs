//! What agents start from: their standing instructions and Kiro's agent, written where they are missing and never over what
//! is there (R9).
//!
//! Called once at the start. Agents can write to these folders: links in them are not followed.

use std::{fs::DirBuilder, io, os::unix::fs::DirBuilderExt, path::Path};

use nanoclaw_core::{mounts::Places, settings::Settings};
use rustix::{
    fs::{AtFlags, linkat, statat, unlinkat},
    io::Errno,
};

use crate::{
    container::{create, enter},
    kiro,
};

const MAIN: &str = include_str!("../templates/main.md");
const GLOBAL: &str = include_str!("../templates/global.md");
const AGENT: &str = include_str!("../templates/agent_config.json");

const STEERING: &str = ".kiro/steering";

/// Writes what is missing. What can't be written is logged: agents work without it.
pub fn bootstrap(places: &Places, settings: &Settings) {
    let groups = places.home.join("groups");
    let name = &settings.assistant_name;
    for (group, template) in [("main", MAIN), ("global", GLOBAL)] {
        let text = template.replace("{assistant}", name);
        tell(group, place(&groups, &Path::new(group).join(STEERING), "Agents.md", &text));
    }
    let kiro = kiro::folder(places, settings);
    tell("kiro", own_folder(&kiro).and_then(|()| place(&kiro, Path::new("agents"), kiro::AGENT_FILE, AGENT)));
    // R11: without it another chat's agent has nothing of its own in that place, and sees main's as soon as Kiro makes it.
    if let Err(error) = enter(&kiro, Path::new("sessions"), true) {
        tracing::warn!(%error, "Kiro's folder of sessions can't be made");
    }
}

fn tell(what: &str, written: io::Result<bool>) {
    match written {
        Ok(true) => tracing::info!(what, "What an agent starts from was written"),
        Ok(false) => {}
        Err(error) => tracing::warn!(what, %error, "What an agent starts from can't be written"),
    }
}

/// Of the host's folders this one alone is made (R9): for the user alone, and left as it is where it is there.
fn own_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() { Ok(()) } else { DirBuilder::new().recursive(true).mode(0o700).create(folder) }
}

/// Writes `root/below/name` whole or not at all; false where it is there.
fn place(root: &Path, below: &Path, name: &str, text: &str) -> io::Result<bool> {
    let folder = enter(root, below, true)?;
    if statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Ok(false);
    }
    let new = format!(".{name}.new");
    create(&folder, &new, text.as_bytes())?;
    let linked = linkat(&folder, &new, &folder, name, AtFlags::empty());
    unlinkat(&folder, &new, AtFlags::empty())?;
    match linked {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use jiff::tz::TimeZone;

    use super::*;

    const AGENTS: [&str; 2] =
        ["home/groups/main/.kiro/steering/Agents.md", "home/groups/global/.kiro/steering/Agents.md"];

    fn start(place: &Path, mode: &str) {
        fs::create_dir_all(place.join("home/groups")).unwrap();
        fs::create_dir_all(place.join("user")).unwrap();
        let places = Places { home: place.join("home"), user: place.join("user"), kiro_data: place.join("user/data") };
        let environment = |name: &str| match name {
            "KIRO_MODE" => Some(mode.to_owned()),
            "ASSISTANT_NAME" => Some("Bob".to_owned()),
            _ => None,
        };
        bootstrap(&places, &Settings::resolve(&Default::default(), environment, TimeZone::UTC).0);
    }

    #[test]
    fn only_what_is_missing() {
        // R9
        for (mode, kiro, other) in [
            ("shared", "user/.kiro", "home/kiro"),
            ("own", "home/kiro/kiro", "user/.kiro"),
            ("api-key", "home/kiro/kiro", "user/.kiro"),
        ] {
            let place = tempfile::tempdir().unwrap();
            let place = place.path();
            start(place, mode);
            let agent = format!("{kiro}/agents/agent_config.json");
            let config: serde_json::Value =
                serde_json::from_str(&fs::read_to_string(place.join(&agent)).unwrap()).unwrap();
            assert_eq!(config["name"], "kiro-assistant");
            assert!(config.get("mcpServers").is_none(), "R10: our server is given with each session");
            assert!(fs::read_to_string(place.join(AGENTS[1])).unwrap().contains("You are Bob,"));
            assert!(!place.join(other).exists(), "{mode}");
            assert_eq!(fs::metadata(place.join(kiro)).unwrap().permissions().mode() & 0o777, 0o700);

            for file in AGENTS.into_iter().chain([agent.as_str()]) {
                let folder = place.join(file).parent().unwrap().to_owned();
                assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "nothing else is left there");
                fs::write(place.join(file), "mine").unwrap();
            }
            start(place, mode);
            for file in AGENTS.into_iter().chain([agent.as_str()]) {
                assert_eq!(fs::read_to_string(place.join(file)).unwrap(), "mine");
            }
        }
    }

    #[test]
    fn through_no_link_of_an_agents() {
        // R9, R2
        let place = tempfile::tempdir().unwrap();
        let place = place.path();
        let elsewhere = place.join("elsewhere");
        for folder in ["home/groups/main", "home/groups/global/.kiro/steering", "user/.kiro", "elsewhere"] {
            fs::create_dir_all(place.join(folder)).unwrap();
        }
        symlink(&elsewhere, place.join("home/groups/main/.kiro")).unwrap();
        symlink(elsewhere.join("made"), place.join(AGENTS[1])).unwrap();
        symlink(&elsewhere, place.join("user/.kiro/agents")).unwrap();
        start(place, "shared");
        assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 0);
        assert!(fs::symlink_metadata(place.join(AGENTS[1])).unwrap().is_symlink());
    }

    #[test]
    fn a_write_that_was_cut_off_is_done_again() {
        // R9
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("home/groups/main/.kiro/steering");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(".Agents.md.new"), "ha").unwrap();
        start(place.path(), "own");
        assert!(fs::read_to_string(folder.join("Agents.md")).unwrap().contains("main chat"));
        assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
    }
}
