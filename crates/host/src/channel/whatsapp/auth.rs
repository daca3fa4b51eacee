//! The sign-in on disk: the library's own database, in a folder that is the user's alone (W3), moved aside and never
//! deleted (W4).

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use tracing::{info, warn};
use whatsapp_rust::store::{DeviceStore, SqliteStore};

use crate::{paths::private_folder, store::reserve};

const FILE: &str = "whatsapp.db";

/// How each SQLite file begins that is not empty.
const HEADER: &[u8] = b"SQLite format 3\0";

pub(super) struct Stored {
    pub store: SqliteStore,
    /// A phone has linked this device; whether it still does is known after connecting.
    pub is_linked: bool,
    /// The client version that WhatsApp named last, or the one that the library was made with.
    pub version: Version,
}

pub(super) type Version = (u32, u32, u32);

/// Opens the sign-in, an empty one where there is none.
pub(super) async fn open(folder: &Path) -> Result<Stored> {
    private_folder(folder)?;
    let file = folder.join(FILE);
    let name = file.to_str().with_context(|| format!("{} is not valid text", file.display()))?;
    // The library would try for half a minute to open a file that is no database.
    ensure!(is_database(&file)?, "{name} is damaged");
    let store = SqliteStore::new(name).await.with_context(|| format!("open {name}"))?;
    let database = file.clone();
    tokio::task::spawn_blocking(move || reserve(&database)).await?;
    let device = store.load().await.context("read the sign-in")?.unwrap_or_default();
    let version = (device.app_version_primary, device.app_version_secondary, device.app_version_tertiary);
    Ok(Stored { store, is_linked: device.pn.is_some(), version })
}

/// Whether there may be a sign-in.
pub(super) fn is_there(folder: &Path) -> bool {
    folder.join(FILE).exists()
}

fn is_database(file: &Path) -> Result<bool> {
    if !file.exists() {
        return Ok(true);
    }
    let mut header = Vec::new();
    File::open(file)?.take(HEADER.len() as u64).read_to_end(&mut header)?;
    Ok(header.is_empty() || header == HEADER)
}

/// Moves the folder to `<folder>.bak.<unix seconds>` if it holds a sign-in. One that can't be read may hold one.
pub(super) async fn move_aside(folder: &Path) -> Result<()> {
    if !is_there(folder) {
        return Ok(());
    }
    match open(folder).await {
        Ok(stored) if !stored.is_linked => return Ok(()),
        Ok(_) => {}
        Err(err) => warn!("the WhatsApp sign-in can't be read: {err:#}"),
    }
    let aside = free_name(folder, Timestamp::now().as_second());
    fs::rename(folder, &aside).with_context(|| format!("move {} to {}", folder.display(), aside.display()))?;
    info!("The WhatsApp sign-in was moved to {}", aside.display());
    Ok(())
}

fn free_name(folder: &Path, seconds: i64) -> PathBuf {
    let name = |second: i64| {
        let mut name = folder.as_os_str().to_owned();
        name.push(format!(".bak.{second}"));
        PathBuf::from(name)
    };
    (seconds..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_use_is_not_taken_again() {
        // W4
        let home = tempfile::tempdir().unwrap();
        let auth = home.path().join("auth");
        assert_eq!(free_name(&auth, 1700000000), home.path().join("auth.bak.1700000000"));
        fs::create_dir(home.path().join("auth.bak.1700000000")).unwrap();
        assert_eq!(free_name(&auth, 1700000000), home.path().join("auth.bak.1700000001"));
    }

    #[tokio::test]
    async fn an_unused_sign_in_stays_where_it_is() {
        // W4
        let home = tempfile::tempdir().unwrap();
        let auth = home.path().join("auth");
        move_aside(&auth).await.unwrap();
        assert!(!open(&auth).await.unwrap().is_linked);
        move_aside(&auth).await.unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn one_that_cannot_be_read_is_moved_not_lost() {
        // W4
        let home = tempfile::tempdir().unwrap();
        let auth = home.path().join("auth");
        fs::create_dir(&auth).unwrap();
        fs::write(auth.join(FILE), "not a database, and longer than a header would be".repeat(9)).unwrap();
        move_aside(&auth).await.unwrap();
        assert!(!auth.exists());
        assert!(open(&auth).await.is_ok());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_folder_is_the_users_alone() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let auth = home.path().join("store").join("auth");
        open(&auth).await.unwrap();
        assert_eq!(fs::metadata(&auth).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
