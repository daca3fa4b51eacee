//! `cargo xtask bench`: the figures, as the rows of a table for docs/figures.md.

use anyhow::Result;

use crate::engine::Engine;
use crate::program::{cargo, root, run};
use crate::steps::Steps;
use crate::{image, needs};

/// Builds what is measured in the profile for it, and measures: all figures, or those named.
pub fn bench(figures: &[String]) -> Result<()> {
    let mut steps = Steps::begin();
    steps.step("what the tests need", needs::for_test)?;
    steps.step("build", || {
        run(cargo().args(["build", "--profile", "measure", "--features", "nanoclaw/fake-peers"]).args([
            "-p",
            "nanoclaw",
            "-p",
            "nanoclaw-host",
            "-p",
            "fake-whatsapp",
            "-p",
            "fake-kiro",
            "-p",
            "nanoclaw-bench",
        ]))
    })?;
    let engine = steps.step("engine", Engine::find_or_start)?;
    steps.step("base image", || image::test_base(&engine))?;
    steps.step("agent image", || image::agent_for_tests(&engine))?;
    steps.step("figures", || {
        run(std::process::Command::new(root().join("target/measure/nanoclaw-bench"))
            .args(figures)
            .env("DOCKER_HOST", &engine.host)
            .env("NANOCLAW_TEST_IMAGE", image::AGENT_FOR_TESTS))
    })?;
    steps.end();
    Ok(())
}
