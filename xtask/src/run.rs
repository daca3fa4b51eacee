//! `cargo xtask run`: from a checkout to the running app with one command.

use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};

use crate::engine::Engine;
use crate::program::{cargo, run};
use crate::steps::Steps;
use crate::{image, needs};

/// Installs, builds, makes the agent image if an engine answers, and becomes the app. A debug build: it is there in half
/// the time of a release build.
pub fn app(headless: bool, release: bool, arguments: &[String]) -> Result<()> {
    let headless = headless || !has_display();
    let mut chosen = vec!["--package", if headless { "nanoclaw-host" } else { "nanoclaw" }];
    if release {
        chosen.push("--release");
    }
    if release && !headless {
        chosen.extend(["--features", "custom-protocol"]); // what Tauri's own tool builds a release with
    }
    let mut steps = Steps::begin();
    steps.step("what the app needs", needs::for_run)?;
    steps.step("build", || run(cargo().arg("build").args(&chosen)))?;
    match Engine::find() {
        Some(engine) => {
            // The app says the same and offers to build it: no image is no reason not to start.
            if let Err(trouble) = steps.step("agent image", || image::agent(&engine)) {
                eprintln!("    {trouble:#}\n    Starting without it: no agent can run until the image is there.");
            }
        }
        None => eprintln!("\n    No Docker engine answers, so no image is built. The app tells what helps."),
    }
    steps.end();

    let mut app = cargo();
    app.args(["run", "--quiet"]).args(&chosen).arg("--");
    if headless {
        app.arg("run");
    }
    // Cargo gives its place to the app in the same way: Ctrl-C reaches the app alone, and its end is ours.
    Err(app.args(arguments).exec()).context("the app could not be started")
}

/// Whether there is a desktop to show anything on.
pub fn has_display() -> bool {
    cfg!(target_os = "macos") || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some())
}
