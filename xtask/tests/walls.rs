//! The walls between the rooms, held by reading the sources: who may name what, what core must not do, which feature no
//! manifest may turn on, and that the two workspaces speak of the same crates. `cargo test -p xtask` takes seconds.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise, its helping functions too")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOMS: [&str; 6] = ["src-tauri", "crates", "container/agent-runner", "container/protocol", "testing", "xtask"];

/// A crate (or a family of crates, by the start of their names), the folders that may name it, and the manifests.
const WALLS: [(&str, &[&str], &[&str]); 6] = [
    ("tauri", &["src-tauri/"], &["Cargo.toml"]),
    ("bollard", ENGINE, &["crates/host/Cargo.toml", "testing/bench/Cargo.toml", "testing/e2e/Cargo.toml"]),
    ("rusqlite", &["crates/host/src/store/"], &["crates/host/Cargo.toml"]),
    ("whatsapp_rust", WHATSAPP, WHATSAPP_MANIFESTS),
    ("wacore", WHATSAPP, WHATSAPP_MANIFESTS),
    ("waproto", WHATSAPP, WHATSAPP_MANIFESTS),
];
/// The edge, its own tests, and what looks at containers from outside.
const ENGINE: &[&str] =
    &["crates/host/src/container/", "crates/host/tests/engine/", "testing/bench/src/floor.rs", "testing/e2e/"];
/// The channel, the test that a client without the feature refuses, and the other end of the wire.
const WHATSAPP: &[&str] =
    &["crates/host/src/channel/", "crates/host/tests/without_fake_peers.rs", "testing/fake-whatsapp/"];
const WHATSAPP_MANIFESTS: &[&str] = &["crates/host/Cargo.toml", "testing/fake-whatsapp/Cargo.toml"];

#[test]
fn each_room_names_only_what_is_its_own() {
    let mut breaches = Vec::new();
    for (path, text) in sources(&ROOMS) {
        for (number, line) in code_lines(&text) {
            for (word, folders, _) in WALLS {
                if names_crate(line, word) && !folders.iter().any(|folder| path.starts_with(folder)) {
                    breaches.push(format!("{path}:{number} names {word}: {}", line.trim()));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "only the listed folders may:\n{}", breaches.join("\n"));
}

#[test]
fn each_manifest_depends_only_on_what_its_room_may_name() {
    let mut breaches = Vec::new();
    for (path, text) in manifests() {
        let dependencies = text.split("\n[").filter(|table| table.lines().next().is_some_and(is_dependency_table));
        for line in dependencies.flat_map(str::lines) {
            for (word, _, allowed) in WALLS {
                if line.replace('-', "_").starts_with(word) && !allowed.contains(&path.as_str()) {
                    breaches.push(format!("{path}: {line}"));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "only the listed manifests may:\n{}", breaches.join("\n"));
}

/// A member's own tables; `[workspace.dependencies]` only says versions.
fn is_dependency_table(header: &str) -> bool {
    header.trim_start_matches('[').trim_end_matches(']').ends_with("dependencies") && !header.contains("workspace.")
}

#[test]
fn core_decides_and_does_nothing() {
    let forbidden = [
        "tokio",
        "async fn",
        "std::fs",
        "std::net",
        "std::process",
        "std::thread",
        "std::env",
        "SystemTime::now",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
        "println!",
    ];
    let mut breaches = Vec::new();
    // Its tests may read what they compare with.
    let decides = |path: &String| !path.ends_with("tests.rs");
    for (path, text) in
        sources(&["crates/core/src", "container/protocol/src"]).into_iter().filter(|(path, _)| decides(path))
    {
        for (number, line) in code_lines(&text) {
            for word in forbidden.iter().filter(|word| line.contains(**word)) {
                breaches.push(format!("{path}:{number} has {word}: {}", line.trim()));
            }
        }
    }
    assert!(breaches.is_empty(), "core has no I/O, no async and no clock:\n{}", breaches.join("\n"));
}

#[test]
fn no_manifest_turns_on_the_fake_peers() {
    let mut mentions = Vec::new();
    for (path, text) in manifests() {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let fitting = lines.filter(|line| line.contains("fake-peers") || line.contains("danger-skip"));
        mentions.extend(fitting.map(|line| format!("{path}: {line}")));
    }
    let defined = [
        r#"Cargo.toml: fake-peers = ["nanoclaw-host/fake-peers"]"#,
        r#"crates/host/Cargo.toml: fake-peers = ["whatsapp-rust/danger-skip-cert-chain-verify"]"#,
    ];
    assert_eq!(mentions, defined, "the two definitions and nothing else");

    // What cargo makes of all manifests together, with no flags.
    for packages in [&["--workspace"][..], &["--package", "nanoclaw"]] {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root()).args(["tree", "--edges=features", "--prefix=none", "--target=all", "--offline"]);
        let output = cargo.args(packages).output().unwrap();
        let tree = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(tree.contains("whatsapp-rust feature"), "the tree shows features");
        assert!(!tree.contains("danger-skip") && !tree.contains("\"fake-peers\""), "turned on without xtask's flags");
    }
}

#[test]
fn nothing_that_ships_can_be_told_to_die() {
    let names = |text: &str| {
        code_lines(text).any(|(_, line)| line.contains("NANOCLAW_DIE_AT") || line.contains("NANOCLAW_PANIC_AT"))
    };
    let naming: Vec<_> = sources(&["crates", "src-tauri", "container/agent-runner", "container/protocol"])
        .into_iter()
        .filter(|(_, text)| names(text))
        .collect();
    let [(path, text)] = &naming[..] else { panic!("one file alone may: {naming:?}") };
    assert_eq!(path, "crates/host/src/moment.rs");
    let (before, fake) = text.split_once("#[cfg(any(test, feature = \"fake-peers\"))]").unwrap();
    let (_, without) = fake.split_once("#[cfg(not(any(test, feature = \"fake-peers\")))]").unwrap();
    assert!(!names(before) && without.trim() == "pub(crate) fn moment(_: &str) {}", "{without}");
}

#[test]
fn both_workspaces_have_the_same_versions_of_what_they_share() {
    let (host, container) = (locked("Cargo.lock"), locked("container/Cargo.lock"));
    let mut differing = Vec::new();
    for (name, versions) in &container {
        if let Some(known) = host.get(name).filter(|known| !versions.is_subset(known)) {
            differing.push(format!("{name}: {versions:?} in the container, {known:?} on the host"));
        }
    }
    let help = "bring one side to the other with `cargo update --package NAME --precise VERSION`";
    assert!(differing.is_empty(), "{help}:\n{}", differing.join("\n"));
}

/// The versions of each crate in a lock file, each line of compatible versions by itself: what Cargo itself keeps apart
/// (schemars 0.8 of Tauri's tools, 1 of the MCP SDK) can't be brought together.
fn locked(file: &str) -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let mut crates = BTreeMap::<String, BTreeSet<String>>::new();
    for package in text.split("[[package]]").skip(1) {
        let value = |key: &str| package.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim_matches('"');
        let version = value("version = ");
        let parts = if version.starts_with("0.") { 2 } else { 1 };
        let line = version.split('.').take(parts).collect::<Vec<_>>().join(".");
        crates.entry(format!("{} {line}", value("name = "))).or_default().insert(version.to_owned());
    }
    assert!(crates.len() > 5, "{file} holds packages");
    crates
}

/// Whether code, not text in quotes, names a crate or one of its family (`tauri_build`, `wacore_binary`).
fn names_crate(line: &str, family: &str) -> bool {
    line.split('"').step_by(2).any(|code| names_crate_in_code(code, family))
}

fn names_crate_in_code(line: &str, family: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.match_indices(family).any(|(at, _)| {
        let starts_word = !line[..at].ends_with(is_part);
        let rest = line[at..].trim_start_matches(is_part);
        let is_used = line[..at].trim_start_matches("pub ").trim().ends_with("use");
        starts_word && (rest.starts_with("::") || is_used)
    })
}

#[test]
fn a_crate_is_seen_where_it_is_named_and_not_elsewhere() {
    let check = |line: &str, family: &str, expected: bool| assert_eq!(names_crate(line, family), expected, "{line}");
    check("use tauri::Manager;", "tauri", true);
    check("use bollard;", "bollard", true);
    check("pub use rusqlite as sql;", "rusqlite", true);
    check("#[tauri::command]", "tauri", true);
    check("tauri_build::build()", "tauri", true);
    check("fn f() -> wacore_binary::Node {", "wacore", true);
    check("let tauri = 1;", "tauri", false);
    check("crate::my_rusqlite::open()", "rusqlite", false);
    check(r#"let name = "bollard";"#, "bollard", false);
    check(r#"info!(target: "whatsapp_rust::handshake", "hello");"#, "whatsapp_rust", false);
}

/// Lines with their numbers, without comments. Good enough for reading: strings with `//` in them name no crate.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust source in these folders but this one: its path from the root, its text.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in folders {
        files_below(&root().join(folder), &mut |path| {
            if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("xtask/tests/walls.rs") {
                found.push(with_text(path));
            }
        });
    }
    assert!(!found.is_empty());
    found
}

fn manifests() -> Vec<(String, String)> {
    let mut found = vec![with_text(&root().join("Cargo.toml")), with_text(&root().join("container/Cargo.toml"))];
    for folder in ROOMS {
        files_below(&root().join(folder), &mut |path| {
            if path.ends_with("Cargo.toml") {
                found.push(with_text(path));
            }
        });
    }
    found
}

fn with_text(path: &Path) -> (String, String) {
    let shown = path.strip_prefix(root()).unwrap().display().to_string();
    (shown, fs::read_to_string(path).unwrap())
}

fn files_below(folder: &Path, take: &mut impl FnMut(&Path)) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && !path.ends_with("target") {
            files_below(&path, take);
        } else if path.is_file() {
            take(&path);
        }
    }
}
