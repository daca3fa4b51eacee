//! The window: made when it is wanted, destroyed when it is closed (it costs ten times what the tray does), with what WebKit
//! leaves running.

use std::path::Path;

use nanoclaw_core::{
    present::window::{Page, window},
    problem::Trouble,
    status::AppStatus,
};
use tauri::{
    AppHandle, Emitter, Manager, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder, WindowEvent, Wry,
    plugin::TauriPlugin,
};
use tauri_plugin_window_state::StateFlags;

use crate::act;

const MAIN: &str = "main";
/// The window of a start that can't be.
const TROUBLE: &str = "trouble";

/// The window opens where it was closed, and as large; `file` keeps that over a restart.
pub fn kept(file: &Path) -> TauriPlugin<Wry> {
    tauri_plugin_window_state::Builder::new()
        .with_state_flags(StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED)
        .with_denylist(&[TROUBLE])
        // Joined to the platform's folder, which an absolute one replaces.
        .with_filename(file.to_string_lossy())
        .build()
}

/// Shows the window on a page.
pub fn open(app: &AppHandle, page: Page) {
    let fragment = serde_json::to_value(page).ok();
    open_at(app, fragment.as_ref().and_then(|page| page.as_str()).unwrap_or_default());
}

/// Shows the window with the question before the end.
pub fn ask_to_quit(app: &AppHandle) {
    open_at(app, "quit");
}

fn open_at(app: &AppHandle, fragment: &str) {
    let shown = match app.get_webview_window(MAIN) {
        Some(window) => turn_to(&window, fragment).and_then(|()| show(&window)),
        None => build(app, MAIN, &format!("index.html#{fragment}"), |window| {
            window.inner_size(960.0, 680.0).min_inner_size(480.0, 400.0)
        }),
    };
    if let Err(error) = shown {
        tracing::error!(%error, "The window can't be shown");
    }
}

/// Shows what made the start impossible; closing it ends the app.
///
/// # Errors
/// When there can be no window.
pub fn open_trouble(app: &AppHandle, trouble: &Trouble) -> tauri::Result<()> {
    let problem = trouble.problem();
    let said = serde_json::json!({"text": problem.text, "cure": problem.cure});
    build(app, TROUBLE, "trouble.html", |window| {
        window.inner_size(480.0, 240.0).initialization_script(format!("window.trouble = {said};"))
    })
}

pub fn is_open(app: &AppHandle) -> bool {
    app.get_webview_window(MAIN).is_some()
}

/// Tells the page, if there is one.
pub fn tell(app: &AppHandle, status: &AppStatus) {
    if is_open(app)
        && let Err(error) = app.emit_to(MAIN, "status", window(status))
    {
        tracing::error!(%error, "The window can't be told");
    }
}

type Builder<'a> = WebviewWindowBuilder<'a, Wry, AppHandle>;

fn build(
    app: &AppHandle,
    label: &str,
    address: &str,
    with: impl FnOnce(Builder<'_>) -> Builder<'_>,
) -> tauri::Result<()> {
    let window = WebviewWindowBuilder::new(app, label, WebviewUrl::App(address.into()));
    let window = window.title("NanoClaw").on_navigation(is_ours);
    let window = with(window).build()?;
    act::tell_desktop(app, |desktop| desktop.watched = true);
    let closing = app.clone();
    window.on_window_event(move |event| {
        if matches!(event, WindowEvent::Destroyed) {
            act::tell_desktop(&closing, |desktop| desktop.watched = false);
            #[cfg(target_os = "linux")]
            tauri::async_runtime::spawn(leave_nothing(closing.clone()));
        }
    });
    Ok(())
}

/// WebKit's network process outlives all pages, with 35 MiB. The next page starts another.
#[cfg(target_os = "linux")]
async fn leave_nothing(app: AppHandle) {
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let closed = app.clone();
    // Where windows are made: none comes meanwhile.
    let asked = app.run_on_main_thread(move || {
        if closed.get_webview_window(MAIN).is_none()
            && let Err(error) = end_network_process()
        {
            tracing::warn!(%error, "What the window left behind can't be ended");
        }
    });
    if asked.is_err() {
        tracing::debug!("The app ends");
    }
}

#[cfg(target_os = "linux")]
fn end_network_process() -> std::io::Result<()> {
    use rustix::process::{Pid, Signal, getpid, kill_process};
    for process in std::fs::read_dir("/proc")? {
        // "pid (name) state parent …"; it may end meanwhile, and much in there is no process.
        let stat = std::fs::read_to_string(process?.path().join("stat")).unwrap_or_default();
        let Some((pid, rest)) = stat.split_once(" (WebKitNetworkPr) ") else { continue };
        let ours = rest.split(' ').nth(1) == Some(&getpid().as_raw_nonzero().to_string());
        if ours && let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)?;
        }
    }
    Ok(())
}

/// Nothing but the app's own page is ever shown, whatever is dropped on the window.
fn is_ours(url: &Url) -> bool {
    url.scheme() == "tauri" || url.host_str() == Some("tauri.localhost")
}

fn turn_to(window: &WebviewWindow, fragment: &str) -> tauri::Result<()> {
    let mut url = window.url()?;
    url.set_fragment(Some(fragment));
    window.navigate(url)
}

fn show(window: &WebviewWindow) -> tauri::Result<()> {
    window.unminimize()?;
    window.show()?;
    window.set_focus()
}
