//! What the agent's image is built from: the sources under `container/` as one tar, the same bytes on every machine, and
//! their identity.
//!
//! The identity is of the sources alone: a runner that is compiled from them, or a kiro-cli that somebody puts beside them,
//! makes no other image in this sense. Must not know an engine. Used by the host's build script, which puts the tar into the
//! program, and by `cargo xtask image`, so that both give an image the same label.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use sha2::{Digest, Sha256};

/// The label of an image that says what it was built from: an [`identity`].
pub const LABEL: &str = "com.nanoclaw.context";
/// Folders whose contents are not from the sources; the Dockerfile wants them to be there.
pub const GIVEN: [&str; 2] = ["kiro-cli", "prebuilt"];

const FILES: [&str; 4] = ["Cargo.lock", "Cargo.toml", "Dockerfile", "entrypoint.sh"];
const FOLDERS: [&str; 2] = ["agent-runner", "protocol"];
/// Of no use to the image.
const LEFT_OUT: [&str; 2] = ["target", "tests"];
/// What marks the end of a tar.
const END: usize = 1024;

/// A file of the context: its path in it, with `/`, and what it holds.
pub type Entry = (String, Vec<u8>);

/// The sources under `container`, by their paths.
///
/// # Errors
/// When one can't be read.
pub fn sources(container: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for file in FILES {
        entries.push((file.to_owned(), fs::read(container.join(file))?));
    }
    for folder in FOLDERS {
        collect(&container.join(folder), folder, &mut entries)?;
    }
    entries.extend(GIVEN.map(|folder| (format!("{folder}/.gitkeep"), Vec::new())));
    entries.sort();
    Ok(entries)
}

fn collect(folder: &Path, path: &str, entries: &mut Vec<Entry>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let (file, path) = (entry.path(), format!("{path}/{name}"));
        if file.is_dir() && !LEFT_OUT.contains(&name.as_str()) {
            collect(&file, &path, entries)?;
        } else if file.is_file() && !name.starts_with('.') {
            entries.push((path, fs::read(file)?));
        }
    }
    Ok(())
}

/// What an image that was built from these sources is known by.
pub fn identity(sources: &[Entry]) -> String {
    hex::encode(Sha256::digest(pack(sources)))
}

/// The files as a tar: no owners, no times.
pub fn pack(entries: &[Entry]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, contents) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o755);
        header.set_mtime(1);
        // Writing to memory does not fail, and the paths here are short.
        let _ = tar.append_data(&mut header, path, contents.as_slice());
    }
    tar.into_inner().unwrap_or_default()
}

/// Writes a packed context, with what lies in `own`'s folders of the names [`GIVEN`] added to it.
///
/// # Errors
/// When a file can't be read, or the writer takes no more.
pub fn write_with(packed: &[u8], own: &Path, mut into: impl Write) -> io::Result<()> {
    into.write_all(packed.get(..packed.len().saturating_sub(END)).unwrap_or_default())?;
    let mut tar = tar::Builder::new(into);
    tar.mode(tar::HeaderMode::Deterministic);
    // Engines don't know the short form of files with holes.
    tar.sparse(false);
    for folder in GIVEN {
        if own.join(folder).is_dir() {
            tar.append_dir_all(folder, own.join(folder))?;
        }
    }
    tar.into_inner()?.flush()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use super::*;

    fn container() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../container")
    }

    fn read(tar: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(tar);
        let files = archive.entries().unwrap().map(Result::unwrap).filter(|entry| {
            let kind = entry.header().entry_type();
            assert!(kind.is_file() || kind.is_dir(), "{kind:?}");
            kind.is_file()
        });
        files
            .map(|mut entry| {
                let mut contents = Vec::new();
                entry.read_to_end(&mut contents).unwrap();
                (entry.path().unwrap().display().to_string(), contents)
            })
            .collect()
    }

    #[test]
    fn all_that_the_image_needs_and_no_more() {
        let sources = sources(&container()).unwrap();
        let tar = pack(&sources);
        let files = read(&tar);
        for file in ["Dockerfile", "entrypoint.sh", "Cargo.lock", "agent-runner/src/main.rs", "kiro-cli/.gitkeep"] {
            assert!(files.contains_key(file), "{file}");
        }
        assert_eq!(files["Dockerfile"], fs::read(container().join("Dockerfile")).unwrap());
        assert!(!files.keys().any(|file| file.contains("target/") || file.contains("tests/")), "{:?}", files.keys());
        assert!(tar.len() < 512 << 10, "{} bytes", tar.len());
        let here = container().canonicalize().unwrap().display().to_string();
        assert!(!String::from_utf8_lossy(&tar).contains(&here), "a path of this machine");
    }

    #[test]
    fn one_identity_for_the_same_sources() {
        let mut sources = sources(&container()).unwrap();
        let first = identity(&sources);
        assert_eq!(first.len(), 64);
        assert_eq!(identity(&sources), first);
        sources[0].1.push(b'\n');
        assert_ne!(identity(&sources), first);
    }

    #[test]
    fn own_files_are_added() {
        let own = tempfile::tempdir().unwrap();
        fs::create_dir_all(own.path().join("kiro-cli/deeper")).unwrap();
        fs::create_dir(own.path().join("other")).unwrap();
        for file in ["kiro-cli/kiro-cli", "kiro-cli/deeper/file", "other/file"] {
            fs::write(own.path().join(file), file).unwrap();
        }
        let holes = fs::File::create(own.path().join("kiro-cli/holes")).unwrap();
        holes.set_len(1 << 20).unwrap();
        let mut tar = Vec::new();
        write_with(&pack(&[("Dockerfile".into(), b"FROM scratch".to_vec())]), own.path(), &mut tar).unwrap();
        let files = read(&tar);
        let names: Vec<_> = files.keys().collect();
        assert_eq!(names, ["Dockerfile", "kiro-cli/deeper/file", "kiro-cli/holes", "kiro-cli/kiro-cli"]);
        assert_eq!(files["kiro-cli/holes"].len(), 1 << 20);
        assert_eq!(files["kiro-cli/kiro-cli"], b"kiro-cli/kiro-cli");
    }
}
