//! The menu bar and the window as a person at the machine has them: the real app on a display and a session bus, its tray
//! read and clicked on the bus, its window in the real WebKit, its agents in real containers.

mod day;
mod figures;
mod kiro;
mod starts;
mod troubles;
mod views;
mod window;

use std::fs;

use anyhow::Result;
use nanoclaw_e2e::{Phone, Scene, desktop::Page};
use serde_json::json;

async fn people(scene: &Scene) -> Result<(Phone, Phone)> {
    Ok((scene.phone("4915110000001", "Owner").await?, scene.phone("4915110000002", "Alice").await?))
}

/// Shows a page of the window.
async fn shows(page: &Page, name: &str) -> Result<()> {
    page.run(&format!("location.hash = {}", json!(name))).await?;
    page.until("!location.hash || location.hash === '#'").await.map(drop)
}

/// Keeps a picture of the window, for people to look at.
async fn picture(scene: &Scene, page: &Page, name: &str) -> Result<()> {
    keep(scene, name, &page.picture().await?)
}

fn keep(scene: &Scene, name: &str, png: &[u8]) -> Result<()> {
    let folder = scene.artefacts()?.with_file_name("desktop");
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(format!("{name}.png")), png)?)
}
