//! NanoClaw from outside: what a story test needs to set a scene, let people act in it, and see what comes of it.
//!
//! The programs are the real ones: `nanoclawctl run` with a Home of its own, `fake-whatsapp serve` speaking the real
//! protocol, agents in real containers on a real engine with fake-kiro in them. Must not reach into the programs: all is
//! seen through the command line, the fake server's admin calls, the engine and the files of the Home. Used by `tests/`.
//!
//! A story reads so:
//! ```text
//! let mut scene = Scene::begin("a_question_is_answered").await?;
//! let andy = scene.phone("4915110000001", "Andy").await?;
//! let alice = scene.phone("4915110000002", "Alice").await?;
//! scene.start_linked_to(&andy).await?;
//! scene.register(&alice.jid(), "Alice", "main").await?;
//! alice.writes_to(&andy, "hello").await?;
//! alice.hears("Andy: echo: hello").await?;
//! scene.end().await
//! ```
//! Nothing sleeps: each wait is for an event and has a deadline ([`PATIENCE`]). A story that does not reach
//! [`Scene::end`] leaves everything that it made in `target/artefacts/<name>/`.
//!
//! Needs what `cargo xtask test` gives: the programs in the target folder, `DOCKER_HOST`, `NANOCLAW_TEST_IMAGE`.

mod app;
pub mod chaos;
mod containers;
pub mod desktop;
mod http;
mod kiro;
pub mod proxy;
mod scene;
mod whatsapp;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

pub use app::{App, Setting};
pub use containers::{Container, Containers};
pub use desktop::Desktop;
pub use kiro::Kiro;
pub use scene::Scene;
pub use whatsapp::{Item, Phone, WhatsApp};

/// How long a story waits for anything. Generous: two busy cores and a cold container; a right program is far faster.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A program of this build: beside this one, or, for a test (`target/<profile>/deps/<test>`), one folder up.
///
/// # Errors
/// It was not built: `cargo xtask test -- -E 'package(nanoclaw-e2e)'` builds all that stories need.
pub fn built(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = own.parent().context("this program lies in no folder")?;
    let folder = if beside.ends_with("deps") { beside.parent().unwrap_or(beside) } else { beside };
    let path = folder.join(name);
    if !path.is_file() {
        bail!("{} is not built: `cargo xtask test -- -E 'package(nanoclaw-e2e)'` builds it first", path.display());
    }
    Ok(path)
}
