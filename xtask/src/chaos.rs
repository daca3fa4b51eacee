//! `cargo xtask chaos`: NanoClaw is killed while people write, round after round; fails when a message is lost, answered twice
//! or out of order, or a container left behind.

use std::process::Command;

use anyhow::Result;

use crate::engine::Engine;
use crate::program::{cargo, root, run};
use crate::steps::Steps;
use crate::{image, needs, test};

pub fn chaos(rounds: u32, seed: u64) -> Result<()> {
    let mut steps = Steps::begin();
    steps.step("what the tests need", needs::for_test)?;
    steps.step("build", || run(cargo().arg("build").args(test::ROOT)))?;
    let engine = steps.step("engine", Engine::find_or_start)?;
    steps.step("base image", || image::test_base(&engine))?;
    steps.step("agent image", || image::agent_for_tests(&engine))?;
    steps.step("chaos", || {
        run(Command::new(root().join("target/debug/nanoclaw-chaos"))
            .args([rounds.to_string(), seed.to_string()])
            .env("DOCKER_HOST", &engine.host)
            .env("NANOCLAW_TEST_IMAGE", image::AGENT_FOR_TESTS))
    })?;
    steps.end();
    Ok(())
}
