//! What a container sees of the host (R2); what it may see beside that is judged in `extra`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{group::Group, settings::KiroMode};

/// One folder of the host in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    pub host: PathBuf,
    pub container: String,
    pub read_only: bool,
    /// Whose folder it is: ours are made where they are missing, the host's never are (R2).
    #[serde(skip)]
    pub owner: Owner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Home,
    Host,
}

/// Where the folders lie that mounts are made from.
#[derive(Clone, Debug)]
pub struct Places {
    /// NanoClaw's Home.
    pub home: PathBuf,
    /// The user's own home folder.
    pub user: PathBuf,
    /// kiro-cli's data folder on this platform.
    pub kiro_data: PathBuf,
}

/// The mounts of a run, by R2's table.
pub fn mounts(group: &Group, mode: KiroMode, places: &Places) -> Vec<Mount> {
    let main = group.is_main();
    let folder = group.folder.as_str();
    let mount =
        |host, container: &str, read_only, owner| Mount { host, container: container.to_owned(), read_only, owner };
    let ours = |host: PathBuf, container, read_only| mount(host, container, read_only, Owner::Home);
    let theirs = |host: PathBuf, container, read_only| mount(host, container, read_only, Owner::Host);
    let home = |path: &str| places.home.join(path);
    let mut mounts = vec![
        ours(home("groups").join(folder), "/workspace/group", false),
        ours(home("ipc").join(folder), "/workspace/ipc", false),
        ours(home("groups/global"), "/workspace/global", !main),
        ours(home("groups/extra"), "/workspace/extra", !main),
    ];
    match mode {
        KiroMode::Shared => mounts.push(theirs(places.user.join(".kiro"), "/home/node/.kiro", !main)),
        KiroMode::Own | KiroMode::ApiKey => mounts.push(ours(home("kiro/kiro"), "/home/node/.kiro", !main)),
    }
    if !main {
        // Each group its own conversations (R11), writable although the folder around them is not.
        mounts.push(ours(home("kiro/sessions").join(folder), "/home/node/.kiro/sessions", false));
    }
    match mode {
        KiroMode::Shared => mounts.push(theirs(places.kiro_data.clone(), "/home/node/.local/share/kiro-cli", false)),
        KiroMode::Own => mounts.push(ours(home("kiro/data"), "/home/node/.local/share/kiro-cli", false)),
        KiroMode::ApiKey => {}
    }
    if mode == KiroMode::Shared && main {
        mounts.push(theirs(places.user.join(".aws"), "/home/node/.aws", false));
    }
    mounts
}

/// The folder under the host's `~/.kiro` that must exist for a group's sessions to be mounted over it.
pub fn sessions_mount_point(kiro: &Path) -> PathBuf {
    kiro.join("sessions")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chat::Jid, group::Folder};

    fn table(folder: &str, mode: KiroMode) -> Vec<String> {
        let group = Group::new(Jid::new("1@g.us"), "x", Folder::new(folder).unwrap());
        let places = Places { home: "/N".into(), user: "/U".into(), kiro_data: "/U/.local/share/kiro-cli".into() };
        mounts(&group, mode, &places)
            .iter()
            .map(|m| format!("{} {} {}", m.host.display(), m.container, if m.read_only { "ro" } else { "rw" }))
            .collect()
    }

    #[test]
    fn main_in_shared_mode() {
        // R2, the seed's mounts
        assert_eq!(
            table("main", KiroMode::Shared),
            [
                "/N/groups/main /workspace/group rw",
                "/N/ipc/main /workspace/ipc rw",
                "/N/groups/global /workspace/global rw",
                "/N/groups/extra /workspace/extra rw",
                "/U/.kiro /home/node/.kiro rw",
                "/U/.local/share/kiro-cli /home/node/.local/share/kiro-cli rw",
                "/U/.aws /home/node/.aws rw",
            ]
        );
    }

    #[test]
    fn other_groups_see_less() {
        // R2, R11
        assert_eq!(
            table("family", KiroMode::Shared),
            [
                "/N/groups/family /workspace/group rw",
                "/N/ipc/family /workspace/ipc rw",
                "/N/groups/global /workspace/global ro",
                "/N/groups/extra /workspace/extra ro",
                "/U/.kiro /home/node/.kiro ro",
                "/N/kiro/sessions/family /home/node/.kiro/sessions rw",
                "/U/.local/share/kiro-cli /home/node/.local/share/kiro-cli rw",
            ]
        );
    }

    #[test]
    fn own_and_api_key_take_nothing_of_the_hosts() {
        // R2, K4
        for mode in [KiroMode::Own, KiroMode::ApiKey] {
            for folder in ["main", "family"] {
                assert!(table(folder, mode).iter().all(|mount| mount.starts_with("/N/")), "{mode:?} {folder}");
            }
        }
        assert!(!table("main", KiroMode::ApiKey).iter().any(|mount| mount.contains("kiro-cli")));
    }
}
