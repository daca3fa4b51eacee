//! Extra mounts: what is asked for a group → a mount, or why there is none (X3, X4).
//!
//! Judged over paths that the host has resolved. Asked for by the owner or by main's agent, so nothing in it is trusted.

use std::path::{Path, PathBuf};

use nanoclaw_protocol::ipc::AdditionalMount;
use thiserror::Error;

use crate::{
    allowlist::{Allowlist, expand},
    mounts::{Mount, Owner},
};

/// Where extra mounts land in a container.
pub const EXTRA: &str = "/workspace/extra";

const MOST: usize = 32;
/// Bytes of a place below [`EXTRA`].
const LONGEST_PLACE: usize = 200;

/// Why a folder is not mounted: the end of a sentence that names the folder.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("its path must begin with / or ~")]
    Path,
    #[error(
        "\"{0}\" can't be its place in the container: that must be a relative path without .., of letters, digits, spaces, and . _ -"
    )]
    Place(String),
    #[error("its place in the container, \"{0}\", is also another one's or inside it")]
    Taken(String),
    #[error("a chat has {MOST} extra mounts at most")]
    TooMany,
    #[error("there is no such folder")]
    Missing,
    #[error("it matches \"{0}\", which is blocked")]
    Blocked(String),
    #[error("no allowed root holds it")]
    NotAllowed,
    #[error("it would show {}, which is none of an agent's business", .0.display())]
    Own(PathBuf),
    #[error("it lies within {}, where an agent may write and could put something else in its place", .0.display())]
    Writable(PathBuf),
    #[error("its place in groups/extra is taken by something that is no folder")]
    NoPlace,
}

/// What is asked for, well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Absolute, not resolved yet.
    pub path: PathBuf,
    /// Below [`EXTRA`].
    pub place: String,
    pub write: bool,
}

/// Reads what is asked for a group, each by itself. `user` is what `~` stands for. Of two at one place the first counts.
pub fn wanted(asked: &[AdditionalMount], user: &Path) -> Vec<Result<Wanted, Refusal>> {
    let mut taken: Vec<String> = Vec::new();
    let mut read = |(index, asked): (usize, &AdditionalMount)| {
        if index >= MOST {
            return Err(Refusal::TooMany);
        }
        let path = expand(&asked.host_path, user).ok_or(Refusal::Path)?;
        let named = || path.file_name().map(|name| name.to_string_lossy().into_owned());
        let place = asked.container_path.clone().or_else(named).unwrap_or_default();
        if !is_place(&place) {
            return Err(Refusal::Place(place));
        }
        // The mount points lie in a folder of the host's, which may not tell capitals apart.
        let key = format!("{}/", place.to_lowercase());
        if taken.iter().any(|other| other.starts_with(&key) || key.starts_with(other)) {
            return Err(Refusal::Taken(place));
        }
        taken.push(key);
        Ok(Wanted { path, place, write: asked.readonly == Some(false) })
    };
    asked.iter().enumerate().map(&mut read).collect()
}

/// Letters and digits of any script; no control, and no dot, slash or space of another kind.
fn is_place(place: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && ![".", ".."].contains(&name)
            && name.trim() == name
            && name.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-'))
    };
    place.len() <= LONGEST_PLACE && place.split('/').all(is_name)
}

/// Judges a folder that is there.
///
/// # Arguments
/// `resolved`: the path with every link followed, as the roots of `allowlist` are.
/// `own`: what no agent may see beside R2's mounts: NanoClaw's and Kiro's own folders, the allowlist, the engine's socket.
///
/// # Errors
/// Why it may not be mounted.
pub fn judge(
    wanted: &Wanted,
    resolved: &Path,
    is_main: bool,
    allowlist: &Allowlist,
    own: &[PathBuf],
) -> Result<Mount, Refusal> {
    if let Some(own) = own.iter().find(|own| overlap(own, resolved)) {
        return Err(Refusal::Own(own.clone()));
    }
    if let Some(pattern) = allowlist.blocks(resolved).or_else(|| allowlist.blocks(&wanted.path)) {
        return Err(Refusal::Blocked(pattern.to_owned()));
    }
    let root = allowlist.root_of(resolved).ok_or(Refusal::NotAllowed)?;
    let write = wanted.write && root.allow_read_write && (is_main || !allowlist.non_main_read_only);
    Ok(Mount {
        host: resolved.to_owned(),
        container: format!("{EXTRA}/{}", wanted.place),
        read_only: !write,
        owner: Owner::Host,
    })
}

/// A path below a folder that an agent may write to can become a link elsewhere between the look at it and the engine's
/// mount. So it is not mounted. The folder itself is safe: what is mounted can't be replaced from inside.
///
/// # Errors
/// [`Refusal::Writable`] with the folder around it.
pub fn holds_still(mount: &Mount, writable: &[PathBuf]) -> Result<(), Refusal> {
    match writable.iter().find(|around| **around != mount.host && mount.host.starts_with(around)) {
        Some(around) => Err(Refusal::Writable(around.clone())),
        None => Ok(()),
    }
}

/// Whether one holds the other. A file system may not tell capitals apart: then rather one refusal too many.
fn overlap(a: &Path, b: &Path) -> bool {
    let [a, b] = [a, b].map(|path| PathBuf::from(path.to_string_lossy().to_lowercase()));
    a.starts_with(&b) || b.starts_with(&a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: &str, container: Option<&str>, readonly: Option<bool>) -> AdditionalMount {
        AdditionalMount { host_path: host.into(), container_path: container.map(Into::into), readonly }
    }

    fn read(mounts: &[AdditionalMount]) -> Vec<Result<Wanted, Refusal>> {
        wanted(mounts, Path::new("/u/alice"))
    }

    #[test]
    fn places() {
        // X3: relative, not empty, without `..`; by itself the folder's own name.
        fn check(host: &str, container: Option<&str>, expect: Option<&str>) {
            let read = read(&[asked(host, container, None)]).remove(0);
            assert_eq!(read.as_ref().ok().map(|wanted| wanted.place.as_str()), expect, "{host} {container:?} {read:?}");
        }
        check("~/notes", None, Some("notes"));
        check("/srv/Bücher", None, Some("Bücher"));
        check("~/notes/", None, Some("notes"));
        check("~/x", Some("a/b c"), Some("a/b c"));
        check("~/x", Some("..."), Some("..."));
        check("~", None, Some("alice"));
        check("/", None, None);
        check("/srv/..", None, None);
        for place in [
            "",
            ".",
            "..",
            "/",
            "/abs",
            "a/",
            "a//b",
            "a/../b",
            "../a",
            "a/./b",
            " a",
            "a ",
            "a\\b",
            "a:b",
            "a\0b",
            "a\nb",
            "．．/a",
            "a\u{202e}b",
            "a\u{200b}",
            "u\u{308}",
            "a\u{2215}b",
            "~",
            "$HOME",
        ] {
            check("~/x", Some(place), None);
        }
        check("~/x", Some(&"a".repeat(201)), None);
        for host in ["", "notes", "./notes", "../notes", "~bob/x", "/a\0b", "/a\nb", "file:///a"] {
            check(host, Some("x"), None);
        }
    }

    #[test]
    fn no_two_at_one_place_nor_one_in_another() {
        // X3
        for (first, second, fits) in [
            ("a", "b", true),
            ("a", "ab", true),
            ("a/b", "a/c", true),
            ("a", "a", false),
            ("a", "A", false),
            ("a", "a/b", false),
            ("a/b", "a", false),
        ] {
            let read = read(&[asked("/x", Some(first), None), asked("/y", Some(second), None)]);
            assert!(read[0].is_ok());
            assert_eq!(read[1].is_ok(), fits, "{first} {second}");
        }
        let many: Vec<_> = (0..40).map(|n| asked("/x", Some(&n.to_string()), None)).collect();
        assert_eq!(read(&many).iter().filter(|read| read.is_ok()).count(), MOST);
    }

    const ALLOWED: &str = r#"{"allowedRoots": [{"path": "/u/alice/projects", "allowReadWrite": true},
        {"path": "/srv", "allowReadWrite": false}], "blockedPatterns": ["taxes"], "nonMainReadOnly": NON_MAIN}"#;

    /// `ro`, `rw`, or the refusal.
    fn judged(host: &str, resolved: &str, write: bool, is_main: bool, non_main_read_only: bool) -> String {
        let text = ALLOWED.replace("NON_MAIN", &non_main_read_only.to_string());
        let allowlist = Allowlist::parse(&text, Path::new("/u/alice")).unwrap();
        let own = ["/u/alice/.local/share/com.nanoclaw", "/u/alice/.config/nanoclaw/mount-allowlist.json"];
        let wanted = read(&[asked(host, Some("x"), Some(!write))]).remove(0).unwrap();
        match judge(&wanted, Path::new(resolved), is_main, &allowlist, &own.map(PathBuf::from)) {
            Ok(mount) => {
                assert_eq!(
                    (mount.host.as_path(), mount.container.as_str()),
                    (Path::new(resolved), "/workspace/extra/x")
                );
                if mount.read_only { "ro" } else { "rw" }.to_owned()
            }
            Err(refusal) => format!("{refusal:?}"),
        }
    }

    #[test]
    fn under_a_root_and_not_blocked() {
        // X2, X3
        for (host, resolved, expect) in [
            ("~/projects", "/u/alice/projects", "ro"),
            ("~/projects/a", "/u/alice/projects/a", "ro"),
            ("~/link", "/u/alice/projects/a", "ro"),
            ("~/projects/a", "/u/alice/elsewhere", "NotAllowed"),
            ("~/projects/a", "/u/alice/.ssh", "Blocked(\".ssh\")"),
            ("~/projects/.ssh", "/u/alice/projects/.ssh", "Blocked(\".ssh\")"),
            // A link to something harmless is refused by its own name, too.
            ("~/projects/.env", "/u/alice/projects/harmless", "Blocked(\".env\")"),
            ("~/projects/Taxes", "/u/alice/projects/Taxes", "Blocked(\"taxes\")"),
            ("~/projects2", "/u/alice/projects2", "NotAllowed"),
            ("/srv/../etc", "/etc", "NotAllowed"),
            ("~", "/u/alice", "Own(\"/u/alice/.local/share/com.nanoclaw\")"),
            ("/", "/", "Own(\"/u/alice/.local/share/com.nanoclaw\")"),
            ("~/.config", "/u/alice/.config", "Own(\"/u/alice/.config/nanoclaw/mount-allowlist.json\")"),
            (
                "~/.config/nanoclaw",
                "/u/alice/.config/NanoClaw",
                "Own(\"/u/alice/.config/nanoclaw/mount-allowlist.json\")",
            ),
            ("~/x", "/u/alice/.local/share/com.nanoclaw/store", "Own(\"/u/alice/.local/share/com.nanoclaw\")"),
        ] {
            assert_eq!(judged(host, resolved, false, true, true), expect, "{host} → {resolved}");
        }
    }

    #[test]
    fn read_only_unless_all_agree() {
        // X4: asked for, the root's, main's, and what the file says of the others.
        for root_allows in [true, false] {
            let path = if root_allows { "/u/alice/projects/a" } else { "/srv/a" };
            for write in [true, false] {
                for is_main in [true, false] {
                    for non_main_read_only in [true, false] {
                        let expect = write && root_allows && (is_main || !non_main_read_only);
                        assert_eq!(
                            judged(path, path, write, is_main, non_main_read_only),
                            if expect { "rw" } else { "ro" },
                            "{path} {write} {is_main} {non_main_read_only}"
                        );
                    }
                }
            }
        }
        // Nothing said is read-only.
        assert!(!read(&[asked("/srv/a", None, None)]).remove(0).unwrap().write);
    }

    #[test]
    fn nothing_below_what_agents_can_write_to() {
        // X3: what was resolved must still be so when the engine mounts it.
        let writable = [PathBuf::from("/srv/shared")];
        for (host, expect) in [
            ("/srv", true),
            ("/srv/shared", true),
            ("/srv/shared2", true),
            ("/srv/shared/a", false),
            ("/srv/shared/a/b", false),
        ] {
            let mount = Mount {
                host: host.into(),
                container: "/workspace/extra/x".into(),
                read_only: true,
                owner: Owner::Host,
            };
            assert_eq!(holds_still(&mount, &writable).is_ok(), expect, "{host}");
        }
    }
}
