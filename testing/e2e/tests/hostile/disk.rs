//! A disk that an agent fills: chats are answered all the same, and it is said.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use nanoclaw_e2e::Scene;

use crate::{Town, problems};

const FILL: &str = r##"
import os
for size in (1 << 20, 4096, 1):
    with open(f"/workspace/group/fill{size}", "wb", 0) as file:
        try:
            while True:
                file.write(b"x" * size)
        except OSError as error:
            said = error.strerror
print("filled:", said)
"##;

/// A file system of its own.
struct Small(PathBuf);

impl Small {
    fn at(folder: &Path) -> Result<Small> {
        let image = folder.with_extension("ext4");
        fs::create_dir_all(folder)?;
        fs::File::create(&image)?.set_len(160 << 20)?;
        run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image))?;
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(folder))?;
        fs::remove_dir(folder.join("lost+found"))?;
        Ok(Small(folder.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: what a container still holds goes with it.
        let _ = run(Command::new("umount").arg("-l").arg(&self.0));
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    if !output.status.success() {
        bail!("{command:?}, which needs root and loop devices: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

#[tokio::test]
async fn a_full_disk_loses_nothing() -> Result<()> {
    // M12, M13, C1
    let scene = Scene::begin("hostile_disk").await?;
    let small = Small::at(&scene.home())?;
    let town = Town::begin(scene).await?;
    town.plays(&[("fill", FILL)])?;
    town.main_answers().await?;
    town.attack("fill").await?;
    town.bob.hears("Andy: filled: No space left on device").await?;
    town.scene.until("it is shown", |status| !problems(status, "disk-full").is_empty()).await?;
    assert_eq!(town.scene.app()?.status()["headline"]["level"], "needs-you");
    for _ in 0..5 {
        town.main_is_unharmed().await?;
    }
    for fill in ["1048576", "4096", "1"] {
        let _ = fs::remove_file(town.scene.home().join("groups/family").join(format!("fill{fill}")));
    }
    town.main_is_unharmed().await?;
    town.scene.until("all is well", |status| problems(status, "disk-full").is_empty()).await?;
    town.scene.end().await?;
    drop(small);
    Ok(())
}
