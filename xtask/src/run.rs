//! `cargo xtask run`: from a checkout to the running app with one command.

use std::process::Command;

use anyhow::Result;

use crate::engine::Engine;
use crate::program::{cargo, run};
use crate::steps::Steps;
use crate::{image, needs};

/// Installs, builds, makes the agent image if an engine answers, starts the app, and ends with it. A debug build: it is
/// there in half the time of a release build.
pub fn app(headless: bool, release: bool, arguments: &[String]) -> Result<()> {
    let headless = headless || !has_display();
    let package = if headless { "nanoclaw-host" } else { "nanoclaw" };
    let profile: &[&str] = if release { &["--release"] } else { &[] };
    let mut steps = Steps::begin();
    steps.step("what the app needs", needs::for_run)?;
    steps.step("build", || run(cargo().args(["build", "--package", package]).args(profile)))?;
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
    let mut app: Command = cargo();
    app.args(["run", "--quiet", "--package", package]).args(profile).arg("--");
    if headless {
        app.arg("run");
    }
    run(app.args(arguments))
}

fn has_display() -> bool {
    cfg!(target_os = "macos") || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some())
}
