//! `cargo xtask pictures`: the README's pictures, as it looks now. The window's are drawn by Chromium from the named states, the
//! menu's is a real panel's, of the story that opens it there.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::engine::Engine;
use crate::program::{cargo, program, root, run};
use crate::steps::Steps;
use crate::test::ROOT;
use crate::{image, needs};

const STORY: &str = "package(nanoclaw-e2e) & test(a_real_panel_shows_that_all_is_well)";

pub fn pictures() -> Result<()> {
    let mut steps = Steps::begin();
    steps.step("what the tests need", needs::for_test)?;
    steps.step("window", || run(program("node").current_dir(root().join("ui")).arg("test/pictures.mjs")))?;
    steps.step("build", || run(cargo().arg("build").args(ROOT)))?;
    let engine = steps.step("engine", Engine::find_or_start)?;
    steps.step("agent image", || image::test_base(&engine).and_then(|()| image::agent_for_tests(&engine)))?;
    steps.step("menu", || {
        let mut story = as_a_person();
        story.args(["nextest", "run"]).args(ROOT).args(["-E", STORY]).current_dir(root());
        story.env("DOCKER_HOST", &engine.host).env("NANOCLAW_TEST_IMAGE", image::AGENT_FOR_TESTS);
        run(&mut story)
    })?;
    for theme in ["light", "dark"] {
        let kept = root().join(format!("target/artefacts/desktop/tray-ready-{theme}.png"));
        fs::copy(&kept, root().join(format!("docs/pictures/tray-{theme}.png")))
            .with_context(|| kept.display().to_string())?;
    }
    steps.end();
    Ok(())
}

/// For root the menu has a warning of its own, which is nobody's usual sight: in a namespace of its own root is somebody.
fn as_a_person() -> Command {
    if !rustix::process::geteuid().is_root() {
        return cargo();
    }
    let mut person = program("unshare");
    person.args(["--user", "--map-user=1000", "--map-group=1000", "cargo"]);
    person
}
