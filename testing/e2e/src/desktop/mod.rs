//! The desktop of a story: a display and a session bus of its own, a panel that takes the tray's icon, a driver for the
//! window. Must not know what NanoClaw should show; tests do.

mod page;
mod port;
mod screen;
mod tray;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::PATIENCE;
use port::Port;
use screen::Place;

pub use page::Page;
pub use tray::{Row, Shown, Tray};

/// A session of a person at the machine. Its display and its bus die with it.
pub struct Desktop {
    folder: PathBuf,
    display: String,
    bus: String,
    /// Where the window lets the driver in.
    inspector: Port,
    panel: tray::Panel,
    _programs: [Child; 2],
}

impl Desktop {
    /// `folder`: a scene's, for the bus and the programs' outputs.
    pub async fn begin(folder: &Path) -> Result<Self> {
        // With its last client gone a server resets, and takes none meanwhile.
        let mut xvfb = program("Xvfb", folder)?
            .args(["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp", "-noreset"])
            .spawn()
            .context("no Xvfb")?;
        let display = format!(":{}", first_line(&mut xvfb).await?);
        let mut dbus = program("dbus-daemon", folder)?
            .args(["--session", "--nofork", "--print-address=1"])
            .arg(format!("--address=unix:path={}", folder.join("bus").display()))
            .env("XDG_CONFIG_HOME", settings_of_the_panel(folder)?)
            .spawn()
            .context("no dbus-daemon")?;
        let bus = first_line(&mut dbus).await?;
        let panel = tray::Panel::on(&bus).await?;
        opener(folder)?;
        let inspector = Port::free()?;
        Ok(Self { folder: folder.to_owned(), display, bus, inspector, panel, _programs: [xvfb, dbus] })
    }

    /// What a program of this session has in its environment.
    pub fn environment(&self) -> [(&'static str, String); 6] {
        [
            (
                "PATH",
                format!("{}:{}", self.folder.join("programs").display(), std::env::var("PATH").unwrap_or_default()),
            ),
            ("DISPLAY", self.display.clone()),
            ("DBUS_SESSION_BUS_ADDRESS", self.bus.clone()),
            ("GDK_BACKEND", "x11".to_owned()),
            ("TAURI_WEBVIEW_AUTOMATION", "true".to_owned()),
            ("WEBKIT_INSPECTOR_SERVER", format!("127.0.0.1:{}", self.inspector.number)),
        ]
    }

    /// The tray's icon, once the panel has it.
    pub async fn tray(&self) -> Result<Tray> {
        self.panel.icon().await
    }

    /// Waits until the notification that came last is taken back.
    pub async fn notification_is_taken_back(&self) -> Result<()> {
        self.panel.taken_back().await
    }

    /// The titles of all notifications so far, once there are so many.
    pub async fn notifications(&self, count: usize) -> Result<Vec<String>> {
        self.panel.notifications(count).await
    }

    /// Presses a button of the last notification, which opens a window. Its app may not listen yet, for a moment that no
    /// person is fast enough for: it is pressed until the window is there.
    pub async fn press_on_notification(&self, label: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.windows()?.is_empty() {
            ensure!(Instant::now() < deadline, "{label} opens no window");
            self.panel.press(label).await?;
            sleep(Duration::from_millis(200)).await;
        }
        self.panel.dismiss().await
    }

    /// The file that the desktop was asked to open first.
    pub async fn opened(&self) -> Result<PathBuf> {
        let opened = self.folder.join("opened");
        let deadline = Instant::now() + PATIENCE;
        loop {
            match fs::read_to_string(&opened) {
                Ok(path) if path.ends_with('\n') => return Ok(path.trim_end().into()),
                _ if Instant::now() > deadline => bail!("nothing was opened"),
                // Another program's file, written once.
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// The titles of the windows on the screen.
    pub fn windows(&self) -> Result<Vec<String>> {
        Ok(screen::windows(&self.display)?.into_iter().map(|(_, title)| title).collect())
    }

    /// Closes all windows, as the buttons in their frames do, and waits until they are gone.
    pub async fn close_windows(&self) -> Result<()> {
        screen::close(&self.display).await
    }

    /// Puts the window there: x, y, width, height.
    pub fn put_window(&self, place: Place) -> Result<()> {
        screen::put_window(&self.display, place)
    }

    /// Waits until the window is there.
    pub async fn window_is(&self, place: Place) -> Result<()> {
        screen::window_is(&self.display, place).await
    }

    /// The tray's menu, open in a real panel, light or dark, as a PNG: for people to look at.
    pub async fn picture_of_menu(&self, theme: &str) -> Result<Vec<u8>> {
        let mut panel = program("xfce4-panel", &self.folder)?;
        panel.arg("--disable-wm-check").envs(self.environment());
        panel.env("GTK_THEME", format!("Adwaita:{theme}"));
        let _panel = panel.env("XDG_CONFIG_HOME", settings_of_the_panel(&self.folder)?).spawn().context("no panel")?;
        screen::picture_of_menu(&self.display).await
    }

    /// The window's page. The window must be open.
    pub async fn page(&self) -> Result<Page> {
        Page::attach(program("WebKitWebDriver", &self.folder)?, self.inspector.number).await
    }
}

/// Waits until no process has this in its environment.
pub async fn no_process_has(variable: &str) -> Result<()> {
    no_process_is("", variable).await
}

/// Waits until no process whose name begins so has this in its environment.
pub async fn no_process_is(name: &str, variable: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut left = processes_with(variable)?;
        left.retain(|(_, process)| process.starts_with(name));
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("still there: {left:?}");
        }
        // That somebody else's child has ended is told to nobody here.
        sleep(Duration::from_millis(20)).await;
    }
}

/// Kills the processes whose name begins so that have this in their environment.
pub fn kill_processes(name: &str, variable: &str) -> Result<()> {
    for (process, _) in processes_with(variable)?.iter().filter(|(_, process)| process.starts_with(name)) {
        let pid = process.file_name().and_then(|pid| pid.to_str()?.parse().ok()).and_then(Pid::from_raw);
        match kill_process(pid.context("no pid")?, Signal::KILL) {
            // It has just ended by itself.
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The processes that have this in their environment: where `/proc` has them, and their names.
pub fn processes_with(variable: &str) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let process = entry?.path();
        // One that has just ended has no file any more.
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|one| one == variable.as_bytes()) {
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            found.push((process, name));
        }
    }
    Ok(found)
}

/// Settings of a panel at the top of the screen with nothing but tray icons, the first in its left corner.
fn settings_of_the_panel(folder: &Path) -> Result<PathBuf> {
    let place = folder.join("panel/xfce4/xfconf/xfce-perchannel-xml");
    fs::create_dir_all(&place)?;
    fs::write(place.join("xfce4-panel.xml"), include_str!("xfce4-panel.xml"))?;
    Ok(folder.join("panel"))
}

/// The program that opens files for a desktop: here it writes down which.
fn opener(folder: &Path) -> Result<()> {
    let place = folder.join("programs/xdg-open");
    fs::create_dir_all(folder.join("programs"))?;
    fs::write(&place, format!("#!/bin/sh\necho \"$1\" > '{}'\n", folder.join("opened").display()))?;
    Ok(fs::set_permissions(&place, PermissionsExt::from_mode(0o755))?)
}

fn program(name: &str, folder: &Path) -> Result<Command> {
    let mut command = Command::new(name);
    let log = File::create(folder.join(format!("{name}.log")))?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
    Ok(command)
}

async fn first_line(program: &mut Child) -> Result<String> {
    let stdout = program.stdout.take().context("no stdout")?;
    match timeout(PATIENCE, BufReader::new(stdout).lines().next_line()).await?? {
        Some(line) => Ok(line.trim().to_owned()),
        None => bail!("it ended without a word: see its log"),
    }
}
