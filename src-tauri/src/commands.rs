//! What the window's page may call. Must only translate: a command of the control socket goes in, its answer comes out.
//!
//! The capability file lets the page call these three and nothing else of the app.

use std::sync::Arc;

use jiff::Timestamp;
use nanoclaw_core::{
    command::{Command, CommandError},
    present::{
        tray::Action,
        window::{WindowView, window},
    },
    problem::Trouble,
    status::AppStatus,
};
use nanoclaw_host::{diagnostics, doctor, paths::Home, ports::Ask};
use serde_json::{Value, json};
use tauri::{AppHandle, Manager, State};
use tokio::sync::{mpsc, watch};

use crate::act;

/// The orchestrator, as the page and the tray reach it.
pub struct Reach {
    pub status: watch::Receiver<Arc<AppStatus>>,
    pub commands: mpsc::Sender<Ask>,
}

#[tauri::command]
pub fn status(reach: State<'_, Reach>) -> WindowView {
    window(&reach.status.borrow())
}

/// # Errors
/// The command's trouble in a person's words, also when it is none of the window's.
#[tauri::command]
pub async fn command(
    app: AppHandle,
    reach: State<'_, Reach>,
    home: State<'_, Home>,
    name: String,
    args: Value,
) -> Result<Value, CommandError> {
    // What the command line does by itself, too.
    match name.as_str() {
        "doctor" => return Ok(json!(doctor::examine(&home).await)),
        "versions" => return Ok(versions(&home).await),
        "diagnostics" => return packed(&app, &home).await.map_err(|trouble| CommandError::from(&trouble)),
        _ => {}
    }
    let command = allowed(&name, args).map_err(|trouble| CommandError::from(&trouble))?;
    Ask::send(&reach.commands, command).await.map_err(|trouble| CommandError::from(&trouble))
}

/// Those that the bundle tells, and `webKit`: what draws the window.
async fn versions(home: &Home) -> Value {
    let mut versions = diagnostics::versions(home).await;
    versions["webKit"] = json!(tauri::webview_version().ok());
    versions
}

/// `{path, files}`: where the bundle lies that helps to find a fault.
async fn packed(app: &AppHandle, home: &Home) -> Result<Value, Trouble> {
    let internal = |reason: String| Trouble::Internal { reason: format!("{reason}.") };
    let folder =
        app.path().download_dir().or_else(|_| app.path().home_dir()).map_err(|error| internal(error.to_string()))?;
    let name = format!("nanoclaw-diagnostics-{}.tar", Timestamp::now().as_second());
    std::fs::create_dir_all(&folder).map_err(|error| internal(error.to_string()))?;
    let path = folder.join(name);
    let files = diagnostics::pack(home, &path).await.map_err(|error| internal(format!("{error:#}")))?;
    Ok(json!({"path": path, "files": files}))
}

/// Does what only the desktop can: opens a file or an address that is known, starts at login, restarts.
///
/// # Errors
/// Why it could not be done, in a person's words.
#[tauri::command]
pub async fn act(app: AppHandle, action: Action) -> Result<(), CommandError> {
    // What a command may is `command`'s to say.
    let done = match action {
        Action::Command(_) => Err(Trouble::BadCommand { reason: "that is no act of the desktop".to_owned() }),
        action => act::done(&app, action).await,
    };
    done.map_err(|trouble| CommandError::from(&trouble))
}

/// A page that is not what it seems must not send messages, end the app, or say what the image is made of.
fn allowed(name: &str, args: Value) -> Result<Command, Trouble> {
    use Command::*;
    match Command::parse(name, Some(args))? {
        Status {} | Send { .. } | Quit { .. } | Restart { .. } => {
            Err(Trouble::BadCommand { reason: format!("the window can't ask for {name}") })
        }
        ImageBuild { build_args, .. } if !build_args.is_empty() => {
            Err(Trouble::BadCommand { reason: "the window's build takes no arguments".to_owned() })
        }
        command => Ok(command),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_can_ask_for_what_its_buttons_do_and_no_more() {
        for (name, args, ok) in [
            ("pause", json!({}), true),
            ("pair", json!({"yes": true}), true),
            ("containers.stop", json!({"target": "main"}), true),
            ("containers.list", json!({}), true),
            ("kiro.remove-entry", json!({}), true),
            ("groups.set", json!({"target": "main", "mounts": []}), true),
            ("image.build", json!({}), true),
            ("image.build", json!({"buildArgs": {"BASE_IMAGE": "evil"}}), false),
            ("image.cancel", json!({}), true),
            ("engine.start", json!({}), true),
            ("send", json!({"to": "1@g.us", "text": "hi", "any": true}), false),
            ("groups.register", json!({"jid": "1@g.us", "name": "x", "folder": "x"}), true),
            ("settings.set", json!({"key": "TZ", "value": ""}), true),
            ("kiro.key", json!({"key": "not-a-real-key"}), true),
            ("tasks.preview", json!({"schedule": "cron", "value": "0 8 * * *"}), true),
            ("quit", json!({}), false),
            ("restart", json!({}), false),
            ("status", json!({}), false),
            ("pause", json!({"evil": 1}), false),
        ] {
            assert_eq!(allowed(name, args).is_ok(), ok, "{name}");
        }
    }
}
