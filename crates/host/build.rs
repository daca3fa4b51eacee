//! Puts what the agent's image is built from into the program, because a packaged app has no checkout.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

fn main() -> Result<(), Box<dyn Error>> {
    let container = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../container");
    let mut entries = nanoclaw_context::sources(&container)?;
    for file in [
        "Cargo.lock",
        "Cargo.toml",
        "Dockerfile",
        "entrypoint.sh",
        "agent-runner/Cargo.toml",
        "agent-runner/src",
        "protocol",
    ] {
        println!("cargo::rerun-if-changed={}", container.join(file).display());
    }
    println!("cargo::rustc-env=NANOCLAW_CONTEXT={}", nanoclaw_context::identity(&entries));
    // Who develops has a compiler at hand, and must not wait for this program whenever the runner was compiled.
    if env::var("PROFILE")? == "release" {
        println!("cargo::rerun-if-changed={}", container.join("prebuilt").display());
        entries.extend(runners(&container, &entries)?);
    }
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("context.tar"), nanoclaw_context::pack(&entries))?;
    Ok(())
}

/// The runners that were compiled already, unless a source is newer: an image must not say that it has what it has not.
fn runners(
    container: &Path,
    sources: &[nanoclaw_context::Entry],
) -> Result<Vec<nanoclaw_context::Entry>, Box<dyn Error>> {
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let newest = sources.iter().map(|(path, _)| changed(&container.join(path))).max();
    let mut runners = Vec::new();
    for file in fs::read_dir(container.join("prebuilt"))? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        if !name.starts_with("nanoclaw-agent-") {
            continue;
        }
        if Some(changed(&file.path())) < newest {
            println!(
                "cargo::warning={name} is older than its sources and is left out: `cargo xtask image` compiles it"
            );
            continue;
        }
        runners.push((format!("prebuilt/{name}"), fs::read(file.path())?));
    }
    runners.sort();
    Ok(runners)
}
