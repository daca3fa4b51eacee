//! Extra mounts on this computer: the allowlist read, what is asked for looked at with every link followed, its mount points
//! made (X1, X3, R2).
//!
//! What may be mounted is judged by `nanoclaw_core::extra`. Called for the loop whenever chats change and before each run: the
//! file is small, and what counts is how things are then. It waits for file systems that may be far away.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use nanoclaw_core::{
    allowlist::{self, Allowlist},
    extra::{EXTRA, Refusal, Wanted, holds_still, judge, wanted},
    group::{Folder, Group},
    mounts::{Mount, Places},
    problem::Trouble,
};

use super::enter;

/// Bytes; no allowlist is that long.
const LONGEST: u64 = 1 << 20;

/// Of a group's extra mounts those that hold, and what is wrong with the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    pub mounts: Vec<Mount>,
    pub troubles: Vec<Trouble>,
}

/// The extra mounts of each group that asks for any.
///
/// # Arguments
/// `sockets`: the engine's and our own, which no agent may reach.
/// `live`: folders that containers can write to now, as they were started.
pub fn extra(groups: &[Group], places: &Places, sockets: &[PathBuf], live: &[PathBuf]) -> BTreeMap<Folder, Extra> {
    let asking: Vec<&Group> = groups.iter().filter(|group| !group.mounts.is_empty()).collect();
    if asking.is_empty() {
        return BTreeMap::new();
    }
    let allowlist = match self::allowlist(places) {
        Ok(allowlist) => allowlist,
        Err(trouble) => {
            let none = Extra { mounts: Vec::new(), troubles: vec![trouble] };
            return asking.into_iter().map(|group| (group.folder.clone(), none.clone())).collect();
        }
    };
    let own: Vec<PathBuf> = [places.home.clone(), places.user.join(allowlist::FILE), resolved(&places.home)]
        .into_iter()
        .chain(agents_folders(places))
        .chain(sockets.iter().flat_map(|socket| [socket.clone(), resolved(socket)]))
        .chain([resolved(&places.user.join(allowlist::FILE))])
        .collect();
    let judged: Vec<(&Group, Vec<Result<Mount, Refusal>>)> = asking
        .into_iter()
        .map(|group| {
            let judged = wanted(&group.mounts, &places.user).into_iter().map(|wanted| {
                let wanted = wanted?;
                judge(&wanted, &folder(&wanted)?, group.is_main(), &allowlist, &own)
            });
            (group, judged.collect())
        })
        .collect();
    let mut writable = live.to_vec();
    writable.extend(
        judged
            .iter()
            .flat_map(|(_, all)| all)
            .flatten()
            .filter(|mount| !mount.read_only)
            .map(|mount| mount.host.clone()),
    );
    judged.into_iter().map(|(group, all)| (group.folder.clone(), settled(group, all, places, &writable))).collect()
}

/// The mounts that hold still, each with its mount point.
fn settled(group: &Group, judged: Vec<Result<Mount, Refusal>>, places: &Places, writable: &[PathBuf]) -> Extra {
    let mut extra = Extra::default();
    for (asked, judged) in group.mounts.iter().zip(judged) {
        let settled = judged.and_then(|mount| {
            holds_still(&mount, writable)?;
            make_mount_point(&mount, places).map_err(|error| {
                tracing::warn!(%error, container = mount.container, "A mount point can't be made");
                Refusal::NoPlace
            })?;
            Ok(mount)
        });
        match settled {
            Ok(mount) => extra.mounts.push(mount),
            Err(refusal) => {
                let (chat, path) = (group.name.clone(), asked.host_path.clone());
                extra.troubles.push(Trouble::MountRefused { chat, path, reason: refusal.to_string() });
            }
        }
    }
    extra
}

/// Below `groups/extra`, where main's agent can write: through no link of its (R2).
fn make_mount_point(mount: &Mount, places: &Places) -> io::Result<()> {
    let place = Path::new(&mount.container).strip_prefix(EXTRA).map_err(io::Error::other)?;
    enter(&places.home.join("groups"), &Path::new("extra").join(place), true).map(|_| ())
}

/// The folder that is asked for, with every link followed.
fn folder(wanted: &Wanted) -> Result<PathBuf, Refusal> {
    let path = fs::canonicalize(&wanted.path).map_err(|_| Refusal::Missing)?;
    // The engine takes paths as text.
    if path.is_dir() && path.to_str().is_some() { Ok(path) } else { Err(Refusal::Missing) }
}

/// The mount allowlist as it is now (X1).
///
/// # Errors
/// There is none, or it can't be used.
pub fn allowlist(places: &Places) -> Result<Allowlist, Trouble> {
    let path = places.user.join(allowlist::FILE);
    let shown = path.display().to_string();
    let invalid = |reason: String| Trouble::AllowlistInvalid { path: shown.clone(), reason };
    let text = match text_of(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Trouble::AllowlistMissing { path: shown }),
        text => text.map_err(|error| invalid(error.to_string()))?,
    };
    // X1: it lies outside of every mount.
    let real = resolved(&path);
    if let Some(folder) = agents_folders(places).into_iter().find(|folder| real.starts_with(folder)) {
        return Err(invalid(format!("it is a link into {}, where agents may write", folder.display())));
    }
    let mut allowlist = Allowlist::parse(&text, &places.user).map_err(invalid)?;
    // A root that isn't there holds nothing.
    allowlist.roots.retain_mut(|root| fs::canonicalize(&root.path).map(|path| root.path = path).is_ok());
    Ok(allowlist)
}

fn text_of(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    File::open(path)?.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// What R2 mounts of this computer's folders, resolved: agents may write there.
fn agents_folders(places: &Places) -> Vec<PathBuf> {
    let of_the_home = ["groups", "ipc", "kiro"].map(|folder| places.home.join(folder));
    let of_the_user = [places.user.join(".kiro"), places.user.join(".aws"), places.kiro_data.clone()];
    of_the_home.iter().chain(&of_the_user).map(|folder| resolved(folder)).collect()
}

/// With every link followed, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nanoclaw_core::chat::Jid;
    use nanoclaw_protocol::ipc::AdditionalMount;

    use super::*;

    /// A user with a Home, folders to mount, and an allowlist.
    struct Scene {
        place: tempfile::TempDir,
        groups: Vec<Group>,
        live: Vec<PathBuf>,
    }

    impl Scene {
        fn new() -> Scene {
            let scene = Scene { place: tempfile::tempdir().unwrap(), groups: vec![], live: vec![] };
            for folder in
                ["home/groups", "home/store", ".kiro", ".config/nanoclaw", "projects/a/deep", "reading", ".ssh"]
            {
                fs::create_dir_all(scene.path(folder)).unwrap();
            }
            scene.allow(
                r#"{"allowedRoots": [{"path": "~/projects", "allowReadWrite": true}, {"path": "~/reading", "allowReadWrite": false},
                    {"path": "~/gone", "allowReadWrite": true}], "blockedPatterns": ["taxes"], "nonMainReadOnly": true}"#,
            );
            scene
        }

        fn path(&self, below: &str) -> PathBuf {
            self.place.path().canonicalize().unwrap().join(below)
        }

        fn places(&self) -> Places {
            Places { home: self.path("home"), user: self.path(""), kiro_data: self.path("kiro-cli") }
        }

        fn allow(&self, text: &str) {
            fs::write(self.path(allowlist::FILE), text).unwrap();
        }

        /// Adds a group that asks for `~/…` folders: `path`, `path:place`, either with `:rw`.
        fn ask(&mut self, folder: &str, mounts: &[&str]) {
            let mount = |text: &&str| {
                let (text, readonly) = text.strip_suffix(":rw").map_or((*text, None), |text| (text, Some(false)));
                let (path, place) = text.split_once(':').map_or((text, None), |(path, place)| (path, Some(place)));
                AdditionalMount { host_path: format!("~/{path}"), container_path: place.map(str::to_owned), readonly }
            };
            let group = Group::new(Jid::new("1@g.us"), folder, Folder::new(folder).unwrap());
            self.groups.push(Group { mounts: mounts.iter().map(mount).collect(), ..group });
        }

        /// `path place ro|rw` of each mount and the code and the reason's beginning of each trouble, for one group.
        fn told(&self, folder: &str) -> Vec<String> {
            let all = extra(&self.groups, &self.places(), &[], &self.live);
            let Some(extra) = all.get(&Folder::new(folder).unwrap()) else { return vec![] };
            let root = self.path("");
            let mount = |mount: &Mount| {
                let path = mount.host.strip_prefix(&root).unwrap().display().to_string();
                format!("{path} {} {}", mount.container, if mount.read_only { "ro" } else { "rw" })
            };
            let trouble = |trouble: &Trouble| match trouble {
                Trouble::MountRefused { path, reason, .. } => {
                    format!("{path}: {}", reason.replace(root.to_str().unwrap(), "~/"))
                }
                other => other.code().to_owned(),
            };
            extra.mounts.iter().map(mount).chain(extra.troubles.iter().map(trouble)).collect()
        }
    }

    fn check(mounts: &[&str], expect: &[&str]) {
        let mut scene = Scene::new();
        scene.ask("main", mounts);
        assert_eq!(scene.told("main"), expect, "{mounts:?}");
    }

    #[test]
    fn what_holds_is_mounted_and_the_rest_is_told() {
        // X3, X4: the others are not held up by one that is refused.
        check(
            &["projects/a:code:rw", "reading", "reading/none", ".ssh:keys", "elsewhere"],
            &[
                "projects/a /workspace/extra/code rw",
                "reading /workspace/extra/reading ro",
                "~/reading/none: there is no such folder",
                "~/.ssh: it matches \".ssh\", which is blocked",
                "~/elsewhere: there is no such folder",
            ],
        );
        check(&["reading:x:rw"], &["reading /workspace/extra/x ro"]);
        check(
            &["projects:a", "reading:a"],
            &[
                "projects /workspace/extra/a ro",
                "~/reading: its place in the container, \"a\", is also another one's or inside it",
            ],
        );
        let mut scene = Scene::new();
        fs::write(scene.path("reading/file"), "").unwrap();
        scene.ask("main", &["reading/file"]);
        scene.ask("family", &["projects:rw"]);
        scene.ask("work", &[]);
        assert_eq!(scene.told("main"), ["~/reading/file: there is no such folder"]);
        assert_eq!(scene.told("family"), ["projects /workspace/extra/projects ro"]);
        assert_eq!(scene.told("work"), [""; 0]);
    }

    #[test]
    fn links_are_followed_before_anything_is_judged() {
        // X2, X3
        let mut scene = Scene::new();
        symlink(scene.path(".ssh"), scene.path("projects/innocent")).unwrap();
        symlink(scene.path("home/store"), scene.path("projects/data")).unwrap();
        symlink(scene.path("reading"), scene.path("books")).unwrap();
        symlink("loop", scene.path("projects/loop")).unwrap();
        symlink(scene.path("reading"), scene.path("projects/.env")).unwrap();
        scene.ask(
            "main",
            &["projects/innocent", "projects/data", "books", "projects/loop", "projects/.env:x", "projects/../.ssh:y"],
        );
        assert_eq!(
            scene.told("main"),
            [
                "reading /workspace/extra/books ro",
                "~/projects/innocent: it matches \".ssh\", which is blocked",
                "~/projects/data: it would show ~/home, which is none of an agent's business",
                "~/projects/loop: there is no such folder",
                "~/projects/.env: it matches \".env\", which is blocked",
                "~/projects/../.ssh: it matches \".ssh\", which is blocked",
            ]
        );
        // A root that is a link counts for what it leads to.
        scene.allow(r#"{"allowedRoots": [{"path": "~/books", "allowReadWrite": true}], "blockedPatterns": [], "nonMainReadOnly": true}"#);
        scene.groups.clear();
        scene.ask("main", &["reading:rw"]);
        assert_eq!(scene.told("main"), ["reading /workspace/extra/reading rw"]);
    }

    #[test]
    fn nothing_of_ours_whatever_the_file_allows() {
        // X1: neither the allowlist nor what NanoClaw and Kiro keep.
        let mut scene = Scene::new();
        scene.allow(r#"{"allowedRoots": [{"path": "/", "allowReadWrite": true}], "blockedPatterns": [], "nonMainReadOnly": false}"#);
        scene
            .ask("main", &["", ".config", ".config/nanoclaw", "home", "home/store", "home/groups", ".kiro", "reading"]);
        let told = scene.told("main");
        assert_eq!(told[0], "reading /workspace/extra/reading ro");
        assert_eq!(told.iter().filter(|line| line.contains("none of an agent's business")).count(), 7, "{told:#?}");
    }

    #[test]
    fn an_allowlist_that_is_missing_or_invalid_gives_nothing_until_it_is_mended() {
        // X1
        let mut scene = Scene::new();
        scene.ask("main", &["reading"]);
        let good = fs::read_to_string(scene.path(allowlist::FILE)).unwrap();
        fs::remove_file(scene.path(allowlist::FILE)).unwrap();
        assert_eq!(scene.told("main"), ["mount-allowlist-missing"]);
        for bad in ["", "{", r#"{"allowedRoots": []}"#] {
            scene.allow(bad);
            assert_eq!(scene.told("main"), ["mount-allowlist-invalid"], "{bad}");
        }
        fs::remove_file(scene.path(allowlist::FILE)).unwrap();
        fs::create_dir(scene.path(allowlist::FILE)).unwrap();
        assert_eq!(scene.told("main"), ["mount-allowlist-invalid"]);
        fs::remove_dir(scene.path(allowlist::FILE)).unwrap();
        // Where an agent may write it is nobody's word.
        fs::write(scene.path(".kiro/list.json"), &good).unwrap();
        symlink(scene.path(".kiro/list.json"), scene.path(allowlist::FILE)).unwrap();
        assert_eq!(scene.told("main"), ["mount-allowlist-invalid"]);
        fs::remove_file(scene.path(allowlist::FILE)).unwrap();
        scene.allow(&good);
        assert_eq!(scene.told("main"), ["reading /workspace/extra/reading ro"]);
        // Nobody who asks for nothing is told.
        scene.groups.clear();
        scene.ask("main", &[]);
        scene.allow("");
        assert_eq!(scene.told("main"), [""; 0]);
    }

    #[test]
    fn nothing_below_what_an_agent_can_write_to() {
        // X3: another's, its own, and one that a container has since before the settings changed.
        let mut scene = Scene::new();
        scene.ask("main", &["projects:rw", "projects/a"]);
        scene.ask("family", &["projects:all", "projects/a"]);
        let within = "~/projects/a: it lies within ~/projects, where an agent may write and could put something else in its place";
        assert_eq!(scene.told("main"), ["projects /workspace/extra/projects rw", within]);
        assert_eq!(scene.told("family"), ["projects /workspace/extra/all ro", within]);
        scene.groups.clear();
        scene.ask("family", &["projects/a"]);
        assert_eq!(scene.told("family"), ["projects/a /workspace/extra/a ro"]);
        scene.live.push(scene.path("projects"));
        assert_eq!(scene.told("family"), [within]);
    }

    #[test]
    fn mount_points_are_made_through_no_link() {
        // R2
        let mut scene = Scene::new();
        scene.ask("main", &["reading:in/side", "projects:out/side", "projects/a:file"]);
        fs::create_dir_all(scene.path("home/groups/extra")).unwrap();
        symlink(scene.path("elsewhere"), scene.path("home/groups/extra/out")).unwrap();
        fs::create_dir(scene.path("elsewhere")).unwrap();
        fs::write(scene.path("home/groups/extra/file"), "").unwrap();
        let taken = "its place in groups/extra is taken by something that is no folder";
        assert_eq!(
            scene.told("main"),
            [
                "reading /workspace/extra/in/side ro".to_owned(),
                format!("~/projects: {taken}"),
                format!("~/projects/a: {taken}")
            ]
        );
        assert!(scene.path("home/groups/extra/in/side").is_dir());
        assert_eq!(fs::read_dir(scene.path("elsewhere")).unwrap().count(), 0);
    }
}
