//! `cargo xtask run`: from a checkout to the running app with one command.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::engine::{self, Engine};
use crate::program::{cargo, program, root, run};
use crate::steps::Steps;
use crate::{image, needs};

/// Installs, builds, makes the agent image if an engine answers, and becomes the app. A debug build: it is there in half
/// the time of a release build.
pub fn app(headless: bool, release: bool, arguments: &[String]) -> Result<()> {
    let headless = headless || !has_display();
    let mut steps = Steps::begin();
    steps.step("what the app needs", || needs::for_run(headless))?;
    steps.step("build", || {
        let mut build = cargo();
        build.arg("build").args(programs(headless));
        if release {
            build.arg("--release");
        }
        if release && !headless {
            build.args(["--features", "nanoclaw/custom-protocol"]); // what Tauri's own tool builds a release with
        }
        run(&mut build)
    })?;
    match Engine::find() {
        Some(engine) => {
            // The app says the same and offers to build it: no image is no reason not to start.
            if let Err(trouble) = steps.step("agent image", || image::agent(&engine)) {
                eprintln!("    {trouble:#}\n    Starting without it: no agent can run until the image is there.");
            }
        }
        None => eprintln!("\n    No image is built: {}. The app tells what helps.", engine::missing()),
    }
    steps.end();

    let mut app = program(built(if headless { "nanoclawctl" } else { "nanoclaw" }, release));
    if headless {
        app.arg("run");
    }
    // It takes our place: Ctrl-C reaches the app alone, and its end is ours.
    Err(app.args(arguments).exec()).context("the app could not be started")
}

/// What cargo is to build. The whole workspace stands for the features of shared crates, which are then those of the
/// tests; only the programs named, and what they need, are compiled.
pub fn programs(headless: bool) -> Vec<&'static str> {
    let mut chosen = vec!["--workspace", "--bin", "nanoclawctl"];
    if !headless {
        chosen.extend(["--bin", "nanoclaw"]);
    }
    chosen
}

/// A program that was built.
pub fn built(name: &str, release: bool) -> PathBuf {
    root().join("target").join(if release { "release" } else { "debug" }).join(name)
}

/// Whether there is a desktop to show anything on.
pub fn has_display() -> bool {
    cfg!(target_os = "macos") || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some())
}
