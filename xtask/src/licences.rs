//! `cargo xtask licences`: what NanoClaw is made of, with the licence of each part and its text, as the window's page About
//! shows it.
//!
//! From `cargo metadata` of both workspaces: what the programs that people get are linked from, on Linux and on a Mac.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::program::{cargo, root};

const FILE: &str = "ui/src/licences.js";
/// How the files begin in which a package brings its licence.
const BEGINNINGS: [&str; 6] = ["license", "licence", "copying", "copyright", "notice", "unlicense"];
const SYSTEMS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-apple-darwin"];
/// The workspace's folder, and its programs that people get.
const SHIPPED: [(&str, &[&str]); 2] = [(".", &["nanoclaw", "nanoclaw-host"]), ("container", &["nanoclaw-agent"])];

/// Writes the file.
pub fn write() -> Result<()> {
    fs::write(root().join(FILE), text()?).with_context(|| FILE.to_owned())
}

/// Holds the file to what the lock files say.
pub fn check() -> Result<()> {
    let kept = fs::read_to_string(root().join(FILE)).unwrap_or_default();
    ensure!(kept == text()?, "{FILE} is not what the lock files say: run `cargo xtask licences`");
    Ok(())
}

fn text() -> Result<String> {
    let mut parts = BTreeSet::new();
    for (folder, programs) in SHIPPED {
        for system in SYSTEMS {
            parts.extend(linked(&metadata(folder, system)?, programs)?);
        }
    }
    let mut texts: Vec<&str> = parts.iter().filter_map(|part| part.text.as_deref()).collect();
    texts.sort_unstable();
    texts.dedup();
    let line = |part: &Part| {
        let text = part.text.as_deref().and_then(|text| texts.binary_search(&text).ok());
        format!("  {},\n", json!([part.name, part.version, part.licence, text]))
    };
    Ok(format!(
        "// Made by `cargo xtask licences` from the lock files. Not to be edited.\n\n\
         /** @typedef {{[string, string, string, number | null]}} Part Name, version, licence, and which of the texts it brings. */\n\n\
         /** What NanoClaw is made of. @type {{Part[]}} */\n\
         export const LICENCES = [\n{}];\n\n\
         /** @type {{string[]}} */\n\
         export const TEXTS = [\n{}];\n",
        parts.iter().map(line).collect::<String>(),
        texts.iter().map(|text| format!("  {},\n", json!(text))).collect::<String>(),
    ))
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    name: String,
    version: String,
    licence: String,
    text: Option<String>,
}

fn metadata(folder: &str, system: &str) -> Result<Value> {
    let mut command = cargo();
    command.current_dir(root().join(folder));
    let output = command.args(["metadata", "--format-version=1", "--locked", "--filter-platform", system]).output()?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// All that the programs need, but what is our own.
fn linked(metadata: &Value, programs: &[&str]) -> Result<Vec<Part>> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let id = |value: &Value| value["id"].as_str().unwrap_or_default().to_owned();
    let packages: BTreeMap<String, Value> =
        list(&metadata["packages"]).into_iter().map(|package| (id(&package), package)).collect();
    let nodes: BTreeMap<String, Vec<Value>> =
        list(&metadata["resolve"]["nodes"]).iter().map(|node| (id(node), list(&node["deps"]))).collect();
    let is_shipped =
        |package: &Value| package["source"].is_null() && programs.iter().any(|name| package["name"] == *name);
    let mut open: Vec<String> = packages.values().filter(|package| is_shipped(package)).map(id).collect();
    ensure!(open.len() == programs.len(), "not all of {programs:?} are there");
    let mut seen = BTreeSet::new();
    while let Some(package) = open.pop() {
        if seen.insert(package.clone()) {
            let needs = nodes.get(&package).into_iter().flatten();
            // Kind null: linked in. What only builds or tests it is not.
            let linked = needs.filter(|need| list(&need["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()));
            open.extend(linked.filter_map(|need| need["pkg"].as_str().map(str::to_owned)));
        }
    }
    let others = seen.iter().filter_map(|id| packages.get(id)).filter(|package| !package["source"].is_null());
    let word = |package: &Value, key: &str| package[key].as_str().unwrap_or("see its package").to_owned();
    let part = |package: &Value| {
        let licence = word(package, "license");
        let folder = Path::new(package["manifest_path"].as_str().unwrap_or_default()).parent().context("no folder")?;
        let text = licence_in(folder, licence.contains(" OR ") && !licence.contains(" AND "))?;
        Ok(Part { name: word(package, "name"), version: word(package, "version"), licence, text })
    };
    others.map(part).collect()
}

/// The text that a package brings. Where it leaves the choice, MIT's is taken, if it has that: it is the shortest.
fn licence_in(folder: &Path, choice: bool) -> Result<Option<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name().to_string_lossy().to_lowercase()))?;
        if path.is_file() && BEGINNINGS.iter().any(|beginning| name.starts_with(beginning)) {
            files.push((name, path));
        }
    }
    files.sort();
    if choice && files.iter().any(|(name, _)| name.contains("mit")) {
        files.retain(|(name, _)| name.contains("mit"));
    }
    let texts = files.iter().map(|(_, path)| Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned()));
    let texts: Vec<String> = texts.collect::<Result<_>>()?;
    let lines: Vec<&str> = texts.iter().flat_map(|text| text.trim().lines().chain([""])).map(str::trim_end).collect();
    Ok(Some(lines.join("\n").trim().to_owned()).filter(|text| !text.is_empty()))
}
