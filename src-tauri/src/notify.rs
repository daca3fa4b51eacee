//! Notifications, each with a button that opens the page that helps (T6). Must not decide what is told: core does.
//!
//! Shown by notify-rust on every system, as Tauri's plugin does, which knows no buttons and does not tell when they are there.

use std::{thread, time::Duration};

use nanoclaw_core::present::{notify, window::Page};
use notify_rust::Notification;
use tauri::AppHandle;
use tokio::time::timeout;

use crate::window;

/// How long the last one may take to be shown before the end.
const LAST_WORDS: Duration = Duration::from_secs(5);
const OPEN: &str = "open";
/// A click beside the button, where the desktop tells of it.
const DEFAULT: &str = "default";

pub fn start(identifier: &str) {
    #[cfg(target_os = "macos")]
    if let Err(error) = notify_rust::set_application(if tauri::is_dev() { "com.apple.Terminal" } else { identifier }) {
        tracing::warn!(%error, "Notifications may be another program's");
    }
    #[cfg(not(target_os = "macos"))]
    let _ = identifier;
}

pub fn tell(app: &AppHandle, news: &notify::Notification) {
    show(app, made(news.title, news.body), news.button, news.page);
}

/// What went wrong with a row of the tray.
pub fn tell_trouble(app: &AppHandle, text: &str, cure: &str) {
    show(app, made(text, cure), "Open NanoClaw", Page::Overview);
}

/// Shown before this returns.
pub async fn last_words(title: &'static str, body: &'static str) {
    let show = move || made(title, body).show().map(drop);
    match timeout(LAST_WORDS, tauri::async_runtime::spawn_blocking(show)).await {
        Ok(Ok(Ok(()))) => {}
        failed => tracing::warn!(?failed, "The last notification was not shown"),
    }
}

fn made(title: &str, body: &str) -> Notification {
    let mut made = Notification::new();
    made.appname("NanoClaw").summary(title);
    // What strangers wrote is no markup: on Linux the text has some.
    if cfg!(target_os = "linux") {
        made.icon("nanoclaw").body(&body.replace('&', "&amp;").replace('<', "&lt;"));
    } else {
        made.body(body);
    }
    made
}

/// That it can't be shown is no trouble of its own. A thread of its own waits for its button as long as it is there.
fn show(app: &AppHandle, mut notification: Notification, button: &str, page: Page) {
    notification.action(DEFAULT, button).action(OPEN, button);
    let app = app.clone();
    let wait = move || match notification.show() {
        Ok(shown) => shown.wait_for_action(|chosen| {
            if chosen == OPEN || chosen == DEFAULT {
                let opening = app.clone();
                drop(app.run_on_main_thread(move || window::open(&opening, page)));
            }
        }),
        Err(error) => tracing::warn!(%error, "A notification was not shown"),
    };
    if let Err(error) = thread::Builder::new().name("notification".to_owned()).spawn(wait) {
        tracing::warn!(%error, "A notification was not shown");
    }
}
