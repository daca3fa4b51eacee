//! The mount allowlist as a person edits it (X1): shown, and written where all of it can be used.
//!
//! Must not be called for anything that an agent asks. Called for the window and by `nanoclawctl allowlist`.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use nanoclaw_core::{
    allowlist::{Allowlist, BLOCKED, FILE, Written, expand},
    mounts::Places,
    problem::{Problem, Trouble},
};
use serde::Serialize;

use super::extra;

/// As `allowlist.get` answers.
#[derive(Debug, Serialize)]
pub struct Shown {
    pub path: String,
    pub allowlist: Option<Written>,
    pub always: [&'static str; BLOCKED.len()],
    pub problem: Option<Problem>,
}

pub fn shown(places: &Places) -> Shown {
    let (allowlist, problem) = match written(places) {
        Ok(written) => (written, None),
        Err(trouble) => (None, Some(trouble.problem())),
    };
    Shown { path: places.user.join(FILE).display().to_string(), allowlist, always: BLOCKED, problem }
}

/// Writes it whole. What is new in it is looked at; a folder that was allowed before may be gone for a while.
///
/// # Errors
/// What can't be allowed, and a file that is there and can't be used: it is the person's, to be mended by hand.
pub fn keep(places: &Places, new: &Written) -> Result<Shown, Trouble> {
    let bad = |reason: String| Trouble::BadAllowlist { reason };
    let before = written(places)?.unwrap_or_default();
    let text = serde_json::to_string_pretty(new).map_err(|error| bad(error.to_string()))?;
    let allowlist = Allowlist::parse(&text, &places.user).map_err(bad)?;
    for (at, root) in new.allowed_roots.iter().enumerate() {
        let is_known = |other: &&_| other == &root;
        let is_same = |path: &str| expand(path, &places.user) == expand(&root.path, &places.user);
        if new.allowed_roots.iter().take(at).any(|other| is_same(&other.path)) {
            return Err(bad(format!("{} is there twice", root.path)));
        }
        if before.allowed_roots.iter().any(|known| is_known(&known) || is_same(&known.path)) {
            continue;
        }
        let path = expand(&root.path, &places.user).unwrap_or_default();
        let real = fs::canonicalize(&path).ok().filter(|real| real.is_dir());
        let real = real.ok_or_else(|| bad(format!("there is no folder {}", root.path)))?;
        if let Some(pattern) = allowlist.blocks(&path).or_else(|| allowlist.blocks(&real)) {
            return Err(bad(format!("{} holds \"{pattern}\", which is blocked", root.path)));
        }
    }
    write(&places.user.join(FILE), &text).map_err(|error| bad(format!("the file can't be written: {error}")))?;
    Ok(shown(places))
}

/// The file as it is; `None` where there is none.
fn written(places: &Places) -> Result<Option<Written>, Trouble> {
    match extra::allowlist(places) {
        Err(Trouble::AllowlistMissing { .. }) => return Ok(None),
        usable => drop(usable?),
    }
    let path = places.user.join(FILE);
    let read = fs::read(&path).and_then(|text| Ok(serde_json::from_slice(&text)?));
    read.map(Some)
        .map_err(|error| Trouble::AllowlistInvalid { path: path.display().to_string(), reason: error.to_string() })
}

/// Where it is a link, what it leads to is replaced.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().ok_or_else(|| io::Error::other("it has no folder"))?;
    fs::create_dir_all(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(new, "{text}")?;
    new.as_file().sync_all()?;
    new.persist(&target)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_be_used_is_kept_and_the_rest_refused() {
        // X1, X2
        let place = tempfile::tempdir().unwrap();
        let user = place.path().canonicalize().unwrap();
        for folder in ["home/groups", "projects", "reading", ".ssh", "taxes"] {
            fs::create_dir_all(user.join(folder)).unwrap();
        }
        symlink(user.join(".ssh"), user.join("keys")).unwrap();
        let places = Places { home: user.join("home"), user: user.clone(), kiro_data: user.join("kiro-cli") };
        assert_eq!(shown(&places).allowlist, None);
        assert!(shown(&places).problem.is_none());
        let said = |roots: &[&str], blocked: &[&str]| {
            let roots: Vec<_> =
                roots.iter().map(|path| json!({"path": path, "allowReadWrite": true, "note": 1})).collect();
            let said = json!({"allowedRoots": roots, "blockedPatterns": blocked, "nonMainReadOnly": true, "mine": [1]});
            serde_json::from_value::<Written>(said).unwrap()
        };
        let first = said(&["~/projects"], &["taxes"]);
        assert_eq!(keep(&places, &first).unwrap().allowlist, Some(first.clone()), "other keys stay");
        for (new, why) in [
            (said(&["projects"], &[]), "does not begin with / or ~"),
            (said(&["~/gone"], &[]), "there is no folder ~/gone"),
            (said(&["~/.ssh"], &[]), "holds \".ssh\""),
            (said(&["~/keys"], &[]), "holds \".ssh\""),
            (said(&["~/taxes"], &["Taxes"]), "holds \"taxes\""),
            (said(&["~/reading", "~/reading"], &[]), "twice"),
            (said(&[], &[" "]), "empty"),
        ] {
            let refused = keep(&places, &new).unwrap_err().problem();
            assert!(refused.text.contains(why), "{why}: {}", refused.text);
            assert_eq!(shown(&places).allowlist, Some(first.clone()), "{why}");
        }
        // One that was allowed may be gone for a while.
        fs::remove_dir(user.join("projects")).unwrap();
        keep(&places, &said(&["~/projects", "~/reading"], &[])).unwrap();
        // A link is followed; one that can't be used is left as it is.
        let (file, real) = (user.join(FILE), user.join("real.json"));
        fs::rename(&file, &real).unwrap();
        symlink(&real, &file).unwrap();
        keep(&places, &said(&["~/reading"], &[])).unwrap();
        assert!(file.is_symlink() && fs::read_to_string(&real).unwrap().contains("reading"));
        fs::write(&real, "{").unwrap();
        assert_eq!(keep(&places, &said(&[], &[])).unwrap_err().code(), "mount-allowlist-invalid");
        assert_eq!(fs::read_to_string(&real).unwrap(), "{");
        // Nor one that agents could have written.
        fs::remove_file(&file).unwrap();
        fs::write(user.join("home/groups/x.json"), serde_json::to_string(&first).unwrap()).unwrap();
        symlink(user.join("home/groups/x.json"), &file).unwrap();
        assert!(shown(&places).problem.is_some() && keep(&places, &first).is_err());
    }
}
