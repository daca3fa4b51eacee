//! `cargo xtask test`: everything that must hold before a change is taken, in the order of what fails fastest.
//!
//! Must build each thing once: all root steps use one set of packages, targets and features, so that cargo compiles the
//! same code for all of them (another set would compile the WhatsApp client and the desktop again).

use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::engine::Engine;
use crate::program::{cargo, program, root, run};
use crate::steps::Steps;
use crate::{image, licences, needs, run};

/// What the root workspace is built with beside a person's own programs; no manifest may say it (the walls test holds that).
pub const FEATURES: [&str; 2] = ["--features", "nanoclaw/fake-peers,fake-whatsapp/client-tests"];
pub const ROOT: [&str; 4] = ["--workspace", "--all-targets", FEATURES[0], FEATURES[1]];
const CONTAINER: [&str; 2] = ["--workspace", "--all-targets"];

/// All checks and tests; or, with arguments for nextest, only the root workspace's tests that they choose.
pub fn test(nextest: &[String]) -> Result<()> {
    let mut steps = Steps::begin();
    steps.step("what the tests need", needs::for_test)?;
    if nextest.is_empty() {
        steps.step("format", || {
            run(cargo().args(["fmt", "--all", "--check"]))?;
            run(cargo().args(["fmt", "--manifest-path", "testing/fuzz/Cargo.toml", "--check"]))?;
            run(in_container().args(["fmt", "--all", "--check"]))
        })?;
        let deny = ["deny", "--log-level", "error", "check", "bans", "licenses", "sources"];
        steps.step("dependencies", || {
            run(cargo().args(deny))?;
            run(in_container().args(deny))?;
            licences::check()
        })?;
        steps.step("clippy, container", || {
            run(in_container().arg("clippy").args(CONTAINER).args(["--", "-Dwarnings"]))
        })?;
        steps.step("tests, container", || {
            let kiro = image::static_fake_kiro()?;
            let nextest = ["nextest", "run"];
            run(in_container().args(nextest).args(CONTAINER).args(profile()).env("KIRO_CLI_UNDER_TEST", kiro))
        })?;
        steps.step("page", page)?;
        steps.step("clippy, root", || run(cargo().arg("clippy").args(ROOT).args(["--", "-Dwarnings"])))?;
    }
    steps.step("build", || run(cargo().arg("build").args(ROOT)))?;
    let engine = steps.step("engine", Engine::find_or_start)?;
    eprintln!("    {}{}", engine.host, if engine.is_ours() { ", ours until the end" } else { "" });
    steps.step("base image", || image::test_base(&engine))?;
    steps.step("agent image", || image::agent_for_tests(&engine))?;
    steps.step("tests, root", || {
        run(cargo()
            .args(["nextest", "run"])
            .args(ROOT)
            .args(profile())
            .args(nextest)
            .env("RUST_LIB_BACKTRACE", "0") // a story's error says where it was; a trace through the runtime does not
            .env("DOCKER_HOST", &engine.host)
            .env("NANOCLAW_TEST_IMAGE", image::AGENT_FOR_TESTS))
    })?;
    drop(engine);
    if nextest.is_empty() {
        // Last, because it puts a person's own programs, without the fake peers, where the tests above take theirs from.
        steps.step("build, a person's own", || run(cargo().arg("build").args(run::programs(false))))?;
        steps.step("tests, a person's own", || {
            let tests = ["--test", "without_fake_peers", "--test", "first_command", "--run-ignored", "all"];
            run(cargo().args(["nextest", "run", "--workspace"]).args(tests).args(profile()))
        })?;
    }
    steps.end();
    Ok(())
}

/// The window's page: its types, then its tests in a real browser.
fn page() -> Result<()> {
    let npm = |words: &[&str]| run(program("npm").current_dir(root().join("ui")).args(words));
    let written = |file: &str| fs::metadata(root().join("ui").join(file)).and_then(|about| about.modified()).ok();
    // npm writes the second when it has installed what the first says.
    if written("package-lock.json") > written("node_modules/.package-lock.json") {
        npm(&["ci", "--no-audit", "--no-fund"])?;
    }
    npm(&["run", "--silent", "check"])?;
    npm(&["test", "--silent"])
}

fn in_container() -> Command {
    let mut cargo = cargo();
    cargo.current_dir(root().join("container"));
    cargo
}

/// nextest's profile `ci` tells all failures, not the first alone. Both workspaces have it.
fn profile() -> [&'static str; 2] {
    ["--profile", if std::env::var_os("CI").is_some() { "ci" } else { "default" }]
}
