//! Images: the agent's, the same with fake-kiro for the tests, and the base that the tests' one stands on.
//!
//! Must leave the user's `container/kiro-cli` alone. Called by `cargo xtask image`, `test` and `run`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::engine::{self, Engine};
use crate::needs;
use crate::program::{answer, as_root, cargo, program, root, run};

/// What the app starts (behaviour R1).
pub const AGENT: &str = "nanoclaw-agent:latest";
/// The same image with fake-kiro in kiro-cli's place; tests get its name in `NANOCLAW_TEST_IMAGE`.
pub const AGENT_FOR_TESTS: &str = "nanoclaw-agent-test:latest";
/// A Debian with the packages that the Dockerfile would otherwise install, made without an image registry.
const TEST_BASE: &str = "nanoclaw-test-base:latest";
const TEST_BASE_SUITE: &str = "trixie";
const TEST_BASE_PACKAGES: &str = "ca-certificates,curl,git,python3";

/// `docker build ./container`, with the runner compiled here where this machine can (the image has no network then).
pub fn agent(engine: &Engine) -> Result<()> {
    static_runner()?;
    let container = root().join("container");
    // As the app labels the one that it builds itself, or it would take this one for another version's.
    let identity = nanoclaw_context::identity(&nanoclaw_context::sources(&container)?);
    build(engine, AGENT, &container, &["--label", &format!("{}={identity}", nanoclaw_context::LABEL)])
}

/// Builds [`AGENT_FOR_TESTS`] from a copy of `container/`.
pub fn agent_for_tests(engine: &Engine) -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("the image for tests is made on Linux only, of programs compiled there");
    }
    static_runner()?;
    let context = root().join("target/test-context");
    let _ = fs::remove_dir_all(&context);
    fs::create_dir_all(context.join("kiro-cli"))?;
    for entry in fs::read_dir(root().join("container"))? {
        let entry = entry?;
        if entry.file_name() != "target" && entry.file_name() != "kiro-cli" {
            run(program("cp").arg("-R").arg(entry.path()).arg(&context))?;
        }
    }
    fs::copy(static_fake_kiro()?, context.join("kiro-cli/kiro-cli"))?;
    let argument = |name: &str| format!("--build-arg={name}={TEST_BASE}");
    build(engine, AGENT_FOR_TESTS, &context, &[&argument("BASE_IMAGE"), &argument("RUNNER_IMAGE")])
}

/// The tests' base image: from the engine, else from its tar in `target/engine`, else made anew (about a minute).
pub fn test_base(engine: &Engine) -> Result<()> {
    if engine.has_image(TEST_BASE) {
        return Ok(());
    }
    let tar = engine::folder().join("test-base.tar");
    if !tar.exists() {
        bootstrap(&tar)?;
    }
    run(engine.docker().arg("import").arg(&tar).arg(TEST_BASE))
}

fn bootstrap(tar: &Path) -> Result<()> {
    needs::for_base_image()?;
    // The mirror that this machine's apt uses is the one that it can reach.
    let mirrors = answer(program("apt-get").args([
        "indextargets",
        "--format=$(REPO_URI)",
        "Created-By: Packages",
        "Origin: Debian",
        "Label: Debian",
    ]))?;
    let Some(mirror) = mirrors.lines().next() else {
        bail!("apt's sources name no Debian mirror, so the tests' base image can't be made here");
    };
    let folder = engine::folder().join("test-base");
    fs::create_dir_all(engine::folder())?;
    run(as_root("rm")?.arg("-rf").arg(&folder))?;
    eprintln!("    making {TEST_BASE}: Debian {TEST_BASE_SUITE} with {TEST_BASE_PACKAGES}");
    let log = fs::File::create(engine::folder().join("debootstrap.log"))?;
    run(as_root("debootstrap")?
        .args(["--variant=minbase", "--include", TEST_BASE_PACKAGES, TEST_BASE_SUITE])
        .arg(&folder)
        .arg(mirror)
        .stdout(log))
    .with_context(|| format!("see {}", engine::folder().join("debootstrap.log").display()))?;

    // Under another name until it is whole: a tar that a stopped run left behind must not be taken for the base.
    let unfinished = tar.with_extension("unfinished");
    let left_out = [
        "./var/cache/apt/*",
        "./var/lib/apt/lists/*",
        "./usr/share/doc/*",
        "./usr/share/man/*",
        "./usr/share/locale/*",
    ];
    run(as_root("tar")?
        .arg("-C")
        .arg(&folder)
        .args(left_out.iter().map(|path| format!("--exclude={path}")))
        .arg("-cf")
        .arg(&unfinished)
        .arg("."))?;
    fs::rename(&unfinished, tar)?;
    run(as_root("rm")?.arg("-rf").arg(&folder))
}

fn build(engine: &Engine, tag: &str, context: &Path, options: &[&str]) -> Result<()> {
    run(engine.docker().args(["build", "--tag", tag]).args(options).arg(context))
}

/// Compiles the agent runner for the image into `container/prebuilt/`, where the Dockerfile takes it from. On anything
/// but Linux with glibc the Dockerfile compiles it itself.
pub fn static_runner() -> Result<()> {
    let Some(target) = linux_target()? else {
        return Ok(());
    };
    run(cargo().current_dir(root().join("container")).env("RUSTFLAGS", "-C target-feature=+crt-static").args([
        "build",
        "--release",
        "--package",
        "nanoclaw-agent",
        "--target",
        &target,
    ]))?;
    let machine = target.split('-').next().unwrap_or_default();
    let prebuilt = root().join("container/prebuilt");
    fs::create_dir_all(&prebuilt)?;
    fs::copy(
        root().join("container/target").join(&target).join("release/nanoclaw-agent"),
        prebuilt.join(format!("nanoclaw-agent-{machine}")),
    )?;
    Ok(())
}

/// The agent runner for this computer itself, where agents run without a container.
pub fn runner_for_host() -> Result<PathBuf> {
    let container = root().join("container");
    run(cargo().current_dir(&container).args(["build", "--release", "--package", "nanoclaw-agent"]))?;
    Ok(container.join("target/release/nanoclaw-agent"))
}

/// fake-kiro as one static program: in the image for tests, and under the container's own tests.
pub fn static_fake_kiro() -> Result<PathBuf> {
    let target = linux_target()?.context("fake-kiro for a container is compiled on Linux only")?;
    run(cargo().env("RUSTFLAGS", "-C target-feature=+crt-static").args([
        "build",
        "--package",
        "fake-kiro",
        "--target",
        &target,
    ]))?;
    Ok(root().join("target").join(&target).join("debug/kiro-cli"))
}

/// This machine's target, named in full even though it is the default: only then do build scripts and macros stay
/// dynamic while the program is linked statically.
fn linux_target() -> Result<Option<String>> {
    let version = answer(program("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    Ok(host.ends_with("-linux-gnu").then(|| host.to_owned()))
}
