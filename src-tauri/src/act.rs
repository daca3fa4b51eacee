//! Does what a row of the tray says. What goes wrong is a notification: the menu has closed by then.

use nanoclaw_core::{command::Command, present::tray::Action, problem::Trouble};
use nanoclaw_host::ports::{Ask, Desktop};
use serde_json::Value;
use tauri::{AppHandle, Manager};
use tauri_plugin_notification::NotificationExt;
use tauri_plugin_opener::OpenerExt;
use tokio::sync::watch;

use crate::{autostart, commands::Reach, tray, window};

pub fn act(app: &AppHandle, action: Action) {
    match action {
        Action::Open(page) => window::open(app, page),
        Action::StartAtLogin(on) => start_at_login(app, on),
        Action::Command(command) => {
            let app = app.clone();
            tauri::async_runtime::spawn(async move {
                if let Err(trouble) = ask(&app, command).await {
                    tell(&app, &trouble);
                }
            });
        }
        Action::ShowLog(run) => {
            let app = app.clone();
            tauri::async_runtime::spawn(async move {
                if let Err(trouble) = show_log(&app, run).await {
                    tell(&app, &trouble);
                }
            });
        }
    }
}

/// Reads the login entry, and says what is in it.
pub fn tell_autostart(app: &AppHandle) {
    match autostart::read(app) {
        Ok(entry) => drop(app.state::<watch::Sender<Desktop>>().send_replace(entry)),
        Err(error) => tracing::warn!("{error:#}"),
    }
}

/// Shows a notification; that it can't be shown is no trouble of its own.
pub fn notify(app: &AppHandle, title: &str, body: &str) {
    if let Err(error) = app.notification().builder().title(title).body(body).show() {
        tracing::warn!(%error, "A notification was not shown");
    }
}

fn tell(app: &AppHandle, trouble: &Trouble) {
    let problem = trouble.problem();
    tracing::warn!(code = problem.code, "{}", problem.text);
    notify(app, &problem.text, &problem.cure);
}

async fn ask(app: &AppHandle, command: Command) -> Result<Value, Trouble> {
    let commands = app.state::<Reach>().commands.clone();
    Ask::send(&commands, command).await
}

/// A run's own log is written at its end (R7); until then what it does is in the one log.
async fn show_log(app: &AppHandle, run: String) -> Result<(), Trouble> {
    let answer = match ask(app, Command::Logs { run: Some(run) }).await {
        Err(Trouble::UnknownRun { .. }) => ask(app, Command::Logs { run: None }).await?,
        answer => answer?,
    };
    let path = answer["path"].as_str().unwrap_or_default();
    app.opener().open_path(path, None::<&str>).map_err(|error| Trouble::Internal { reason: format!("{error}.") })
}

fn start_at_login(app: &AppHandle, on: bool) {
    if let Err(error) = autostart::set(app, on) {
        tell(app, &Trouble::Internal { reason: format!("{error:#}.") });
    }
    tell_autostart(app);
    // The desktop has turned the tick over already: it is drawn as it is.
    tray::draw(app, &app.state::<Reach>().status.borrow());
}
