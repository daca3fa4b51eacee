//! The sign-ins that were moved aside (W4): listed, and deleted when a person says so. Nothing else deletes one.

use std::{fs, io, path::Path};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use nanoclaw_core::status::rfc3339;
use serde::Serialize;

/// A former sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// The folder's name, `auth.bak.<unix seconds>`.
    pub name: String,
    /// RFC 3339.
    pub moved_at: String,
    pub bytes: u64,
}

/// Those beside the sign-in `auth`, the latest first.
///
/// # Errors
/// When the folders can't be read.
pub fn list(auth: &Path) -> Result<Vec<Backup>> {
    let Some(beside) = auth.parent() else { return Ok(Vec::new()) };
    let entries = match fs::read_dir(beside) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("read {}", beside.display()))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // Not what a link leads to.
        if let (Some(at), true) = (moved_at(auth, &name), entry.file_type()?.is_dir()) {
            found.push((at, Backup { moved_at: rfc3339(at), bytes: bytes(&entry.path())?, name }));
        }
    }
    found.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    Ok(found.into_iter().map(|(_, backup)| backup).collect())
}

/// Deletes one for good.
///
/// # Errors
/// When `name` is none of [`list`]'s, or can't be deleted.
pub fn remove(auth: &Path, name: &str) -> Result<()> {
    let backup = auth.with_file_name(name);
    if moved_at(auth, name).is_none() || !fs::symlink_metadata(&backup).is_ok_and(|found| found.is_dir()) {
        bail!("there is no former sign-in {name}");
    }
    fs::remove_dir_all(&backup).with_context(|| format!("delete {}", backup.display()))
}

/// When a folder of that name was moved there; `None` where it is no former sign-in of `auth`'s.
fn moved_at(auth: &Path, name: &str) -> Option<Timestamp> {
    let seconds = name.strip_prefix(auth.file_name()?.to_str()?)?.strip_prefix(".bak.")?;
    let digits = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
    Timestamp::from_second(seconds.parse().ok().filter(|_| digits)?).ok()
}

fn bytes(folder: &Path) -> Result<u64> {
    let sizes = fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len()));
    sizes.sum::<io::Result<u64>>().with_context(|| format!("read {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn former_sign_ins_are_listed_and_nothing_else_can_be_deleted() {
        // W4
        let store = tempfile::tempdir().unwrap();
        let auth = store.path().join("auth");
        assert_eq!(list(&auth.join("nowhere")).unwrap(), []);
        for (name, bytes) in [("auth", 9), ("auth.bak.1700000000", 20), ("auth.bak.1800000000", 1), ("auth.bak.x", 5)] {
            fs::create_dir(store.path().join(name)).unwrap();
            fs::write(store.path().join(name).join("whatsapp.db"), vec![0; bytes]).unwrap();
        }
        fs::write(store.path().join("auth.bak.1700000009"), "a file").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(store.path().join("auth"), store.path().join("auth.bak.1700000008")).unwrap();

        let listed = list(&auth).unwrap();
        let expect = [
            Backup { name: "auth.bak.1800000000".into(), moved_at: "2027-01-15T08:00:00.000Z".into(), bytes: 1 },
            Backup { name: "auth.bak.1700000000".into(), moved_at: "2023-11-14T22:13:20.000Z".into(), bytes: 20 },
        ];
        assert_eq!(listed, expect);

        for name in
            ["auth", "auth.bak.x", "auth.bak.1700000009", "auth.bak.1700000008", "auth.bak.+5", "../x", "", "auth.bak."]
        {
            assert!(remove(&auth, name).is_err(), "{name}");
        }
        remove(&auth, "auth.bak.1700000000").unwrap();
        assert_eq!(list(&auth).unwrap(), expect[..1]);
        assert!(auth.join("whatsapp.db").exists());
    }
}
