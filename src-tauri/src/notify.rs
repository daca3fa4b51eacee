//! Notifications, each with a button that opens the page that helps (T6). Must not decide what is told: core does.
//!
//! Shown by notify-rust on every system, as Tauri's plugin does, which knows no buttons and does not tell when they are there.

use std::{collections::BTreeMap, future::pending, thread, time::Duration};

use nanoclaw_core::present::{
    notify::{Matter, News},
    window::Page,
};
use notify_rust::{Notification, NotificationResponse};
use tauri::AppHandle;
use tokio::{sync::oneshot, time::timeout};

use crate::window;

/// How long the last one may take to be shown before the end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What was told and not taken back: each is kept by its sender. With the app's end all go, as their buttons would do nothing.
#[derive(Default)]
pub struct Shown(BTreeMap<Matter, oneshot::Sender<()>>);

pub fn start(identifier: &str) {
    #[cfg(target_os = "macos")]
    if let Err(error) = notify_rust::set_application(if tauri::is_dev() { "com.apple.Terminal" } else { identifier }) {
        tracing::warn!(%error, "Notifications may be another program's");
    }
    #[cfg(not(target_os = "macos"))]
    let _ = identifier;
}

impl Shown {
    pub fn take(&mut self, app: &AppHandle, news: News) {
        match news {
            News::Tell(matter, news) => {
                let (kept, over) = oneshot::channel();
                self.0.insert(matter, kept);
                show(app, made(news.title, news.body), news.button, news.page, over);
            }
            News::TakeBack(matter) => drop(self.0.remove(&matter)),
        }
    }
}

/// What went wrong with a row of the tray.
pub fn tell_trouble(app: &AppHandle, text: &str, cure: &str) {
    show(app, made(text, cure), "Open NanoClaw", Page::Overview, pending::<()>());
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

/// Shown with a button until `over` ends, where the system lets it be taken back. That it can't be shown is no trouble of its
/// own. A thread of its own waits for its button as long as it is there.
fn show<T>(
    app: &AppHandle,
    mut notification: Notification,
    button: &'static str,
    page: Page,
    over: impl Future<Output = T> + Send + 'static,
) {
    notification.action("open", button);
    let app = app.clone();
    let answered = move |response: &NotificationResponse| {
        if !matches!(response, NotificationResponse::Closed(_)) {
            let opening = app.clone();
            drop(app.run_on_main_thread(move || window::open(&opening, page)));
        }
    };
    let shown = move || {
        if let Err(error) = wait(notification, button, answered, over) {
            tracing::warn!(%error, "A notification was not shown");
        }
    };
    if let Err(error) = thread::Builder::new().name("notification".to_owned()).spawn(shown) {
        tracing::warn!(%error, "A notification was not shown");
    }
}

#[cfg(target_os = "linux")]
fn wait<T>(
    mut notification: Notification,
    button: &str,
    answered: impl FnOnce(&NotificationResponse),
    over: impl Future<Output = T>,
) -> notify_rust::error::Result<()> {
    // A click beside the button.
    notification.action("default", button);
    tauri::async_runtime::block_on(async {
        let shown = notification.show_async().await?;
        tokio::select! {
            () = shown.wait_for_action_async(answered) => {}
            _ = over => shown.close_async().await,
        }
        Ok(())
    })
}

#[cfg(not(target_os = "linux"))]
fn wait<T>(
    notification: Notification,
    _button: &str,
    answered: impl FnOnce(&NotificationResponse),
    _over: impl Future<Output = T>,
) -> notify_rust::error::Result<()> {
    notification.show()?.wait_for_response(answered)
}
