//! Does what a row of the tray says, or a button of the window that only the desktop can. What goes wrong with a row is a
//! notification: the menu has closed by then.

use nanoclaw_core::{
    command::Command,
    group::Folder,
    present::tray::{Action, Website},
    problem::Trouble,
};
use nanoclaw_host::{
    paths::Home,
    ports::{Ask, Desktop},
};
use serde_json::Value;
use tauri::{AppHandle, Manager};
use tauri_plugin_opener::OpenerExt;
use tokio::sync::watch;

use crate::{autostart, commands::Reach, notify, tray, window};

pub fn act(app: &AppHandle, action: Action) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Err(trouble) = done(&app, action).await {
            tell(&app, &trouble);
        }
    });
}

/// # Errors
/// Why it could not be done.
pub async fn done(app: &AppHandle, action: Action) -> Result<(), Trouble> {
    match action {
        Action::Open(page) => {
            let shown = app.clone();
            drop(app.run_on_main_thread(move || window::open(&shown, page)));
            Ok(())
        }
        Action::StartAtLogin(on) => start_at_login(app, on),
        Action::Command(command) => ask(app, command).await.map(drop),
        Action::ShowLog(run) => show_log(app, Some(run)).await,
        Action::OpenLog => show_log(app, None).await,
        Action::OpenFolder(folder) => open_folder(app, &folder),
        Action::OpenWebsite(website) => open_website(app, website),
        Action::Restart => ask(app, Command::Restart { yes: true }).await.map(drop),
        Action::Quit { yes } => match ask(app, Command::Quit { yes }).await {
            Err(Trouble::NeedsYes { .. }) => {
                let shown = app.clone();
                drop(app.run_on_main_thread(move || window::ask_to_quit(&shown)));
                Ok(())
            }
            answer => answer.map(drop),
        },
    }
}

/// Reads the login entry, and says what is in it.
pub fn tell_autostart(app: &AppHandle) {
    tell_desktop(app, |desktop| {
        if let Err(error) = autostart::read(app, desktop) {
            tracing::warn!("{error:#}");
        }
    });
}

/// Says what only the desktop can tell; a start that failed has nobody to tell it to.
pub fn tell_desktop(app: &AppHandle, change: impl FnOnce(&mut Desktop)) {
    if let Some(desktop) = app.try_state::<watch::Sender<Desktop>>() {
        desktop.send_modify(change);
    }
}

fn tell(app: &AppHandle, trouble: &Trouble) {
    let problem = trouble.problem();
    tracing::warn!(code = problem.code, "{}", problem.text);
    notify::tell_trouble(app, &problem.text, &problem.cure);
}

async fn ask(app: &AppHandle, command: Command) -> Result<Value, Trouble> {
    let commands = app.state::<Reach>().commands.clone();
    Ask::send(&commands, command).await
}

/// A run's own log is written at its end (R7); until then what it does is in the one log.
async fn show_log(app: &AppHandle, run: Option<String>) -> Result<(), Trouble> {
    let answer = match ask(app, Command::Logs { run }).await {
        Err(Trouble::UnknownRun { .. }) => ask(app, Command::Logs { run: None }).await?,
        answer => answer?,
    };
    opened(app.opener().open_path(answer["path"].as_str().unwrap_or_default(), None::<&str>))
}

/// Only what a chat has; the folder's name comes from the menu or the page.
fn open_folder(app: &AppHandle, folder: &str) -> Result<(), Trouble> {
    let folder = Folder::new(folder).map_err(|error| Trouble::BadFolder { reason: error.to_string() })?;
    opened(app.opener().open_path(app.state::<Home>().group(&folder).to_string_lossy(), None::<&str>))
}

fn open_website(app: &AppHandle, website: Website) -> Result<(), Trouble> {
    let address = match website {
        Website::Docker => "https://docs.docker.com/get-started/get-docker/".to_owned(),
        Website::Kiro => "https://kiro.dev/docs/cli/installation/".to_owned(),
        Website::KiroSignIn => {
            let login = app.state::<Reach>().status.borrow().kiro.login.clone();
            login.and_then(|login| login.url).ok_or(Trouble::KiroNoLogin)?
        }
    };
    opened(app.opener().open_url(address, None::<&str>))
}

fn opened(done: Result<(), tauri_plugin_opener::Error>) -> Result<(), Trouble> {
    done.map_err(|error| Trouble::Internal { reason: format!("{error}.") })
}

fn start_at_login(app: &AppHandle, on: bool) -> Result<(), Trouble> {
    let set = autostart::set(app, on).map_err(|error| Trouble::Internal { reason: format!("{error:#}.") });
    tell_autostart(app);
    // The desktop has turned the tick over already: it is drawn as it is.
    let drawn = app.clone();
    drop(app.run_on_main_thread(move || tray::draw(&drawn, &drawn.state::<Reach>().status.borrow())));
    set
}
