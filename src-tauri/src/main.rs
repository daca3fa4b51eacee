//! The desktop: NanoClaw in the menu bar, with a window when it is wanted. The only room that knows Tauri.
//!
//! It starts the orchestrator, draws what core's `present` makes of each status, and gives it a person's commands. Must not
//! decide anything itself. Arguments: `--login` (started by the system: no window), `--show` (with the window).

mod act;
mod autostart;
mod commands;
mod menu;
mod notify;
mod tray;
mod window;

use std::{io::IsTerminal, sync::Mutex, time::Duration};

use anyhow::Result;
use jiff::Timestamp;
use nanoclaw_core::{
    command::Command,
    present::{notify::Told, opening::Opening, window::Page},
    problem::Trouble,
    settings::Settings,
};
use nanoclaw_host::{
    logging,
    orchestrator::{End, Orchestrator},
    paths::Home,
    ports::Ask,
    settings,
    shutdown::Quit,
};
use tauri::{App, AppHandle, Manager, RunEvent, async_runtime::JoinHandle};
use tokio::time::{MissedTickBehavior, interval};

use crate::commands::Reach;

/// How often what no event tells is looked at: ages in the menu, and the login entry.
const LOOK: Duration = Duration::from_secs(60);

/// The orchestrator's life, until the app waits for its end.
type Life = Mutex<Option<JoinHandle<()>>>;

fn main() -> Result<()> {
    let home = find_home();
    // Tauri would panic.
    anyhow::ensure!(has_display(), "there is no display here. `nanoclawctl run` is NanoClaw without one.");
    let mut builder = tauri::Builder::default();
    if home.as_ref().is_ok_and(|(home, _)| home.is_default()) {
        // First of all plugins: a second start ends here.
        builder = builder.plugin(tauri_plugin_single_instance::init(|app, arguments, _| {
            if Opening::of(arguments.iter().map(String::as_str)) != Opening::Later {
                window::open(app, Page::Overview);
            }
        }));
    }
    if let Ok((home, _)) = &home {
        builder = builder.plugin(window::kept(&home.window()));
    }
    if cfg!(target_os = "macos") {
        builder = builder.menu(menu::menu);
    }
    builder
        .on_menu_event(|app, event| tray::chosen(app, &event))
        .plugin(autostart::plugin())
        .plugin(tauri_plugin_log::Builder::new().skip_logger().build())
        .plugin(tauri_plugin_opener::init())
        .invoke_handler(tauri::generate_handler![commands::status, commands::command, commands::act])
        .setup(|app| Ok(start(app, home)?))
        .build(tauri::generate_context!())?
        .run(on_event);
    Ok(())
}

/// The Home with its settings; from here on there is a log.
fn find_home() -> Result<(Home, Settings), Trouble> {
    let home = Home::find()?;
    home.create()?;
    let (settings, _) = settings::load(&home);
    logging::start(&home, &settings, std::io::stderr().is_terminal())
        .map_err(|error| Trouble::HomeUnusable { reason: format!("{error:#}") })?;
    Ok((home, settings))
}

#[cfg(target_os = "linux")]
fn has_display() -> bool {
    gtk::init().is_ok()
}

#[cfg(not(target_os = "linux"))]
fn has_display() -> bool {
    true
}

fn start(app: &mut App, home: Result<(Home, Settings), Trouble>) -> Result<()> {
    #[cfg(target_os = "macos")]
    app.set_activation_policy(tauri::ActivationPolicy::Accessory);
    let (home, settings) = match home {
        Ok(found) => found,
        Err(trouble) => {
            // There is no log of it.
            let problem = trouble.problem();
            eprintln!("{} {}", problem.text, problem.cure);
            return Ok(fail(app.handle(), &trouble)?);
        }
    };
    let pictures = home.tray();
    app.manage(home.clone());
    // Boxed: it holds all that a start does.
    match tauri::async_runtime::block_on(Box::pin(Orchestrator::start(home))) {
        Ok(orchestrator) => live(app.handle(), orchestrator, settings, pictures),
        Err(trouble) => Ok(fail(app.handle(), &trouble)?),
    }
}

/// A start that can't be: it is said in a window, and the app ends with it.
fn fail(app: &AppHandle, trouble: &Trouble) -> tauri::Result<()> {
    tracing::error!(code = trouble.code(), "{}", trouble.problem().text);
    window::open_trouble(app, trouble)
}

fn live(app: &AppHandle, orchestrator: Orchestrator, settings: Settings, pictures: std::path::PathBuf) -> Result<()> {
    let Orchestrator { status, commands, desktop, .. } = &orchestrator;
    app.manage(Reach { status: status.clone(), commands: commands.clone() });
    app.manage(desktop.clone());
    notify::start(&app.config().identifier);
    act::tell_autostart(app);
    tray::start(app, &status.borrow(), settings.zone, pictures)?;
    tracing::info!("The tray is there");
    tauri::async_runtime::spawn(follow(app.clone()));
    tauri::async_runtime::spawn(obey_signals(app.clone()));
    let ending = app.clone();
    let life = tauri::async_runtime::spawn(async move {
        let ended = orchestrator.ended().await;
        if ended.is_err() {
            notify::last_words("NanoClaw has stopped", "A part of it failed. Start it again; nothing is lost.").await;
        }
        if matches!(ended, Ok(End::Restart)) {
            if window::is_open(&ending)
                && let Err(error) = std::fs::write(ending.state::<Home>().reopen(), "")
            {
                tracing::warn!(%error, "The window will not open again by itself");
            }
            return ending.request_restart();
        }
        ending.exit(ended.is_err().into());
    });
    app.manage::<Life>(Mutex::new(Some(life)));
    Ok(())
}

/// Shows each status everywhere until there are no more.
async fn follow(app: AppHandle) {
    let mut statuses = app.state::<Reach>().status.clone();
    let (mut told, mut shown) = (Told::default(), notify::Shown::default());
    let mut opening = Opening::of(std::env::args().skip(1).collect::<Vec<_>>().iter().map(String::as_str));
    if std::fs::remove_file(app.state::<Home>().reopen()).is_ok() {
        opening = Opening::Now;
    }
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let status = statuses.borrow_and_update().clone();
        for news in told.news(&status, Timestamp::now()) {
            shown.take(&app, news);
        }
        let opens = opening.opens(&status);
        let drawing = app.clone();
        let drawn = app.run_on_main_thread(move || {
            tray::draw(&drawing, &status);
            window::tell(&drawing, &status);
            if opens {
                window::open(&drawing, Page::Overview);
            }
        });
        if drawn.is_err() {
            return;
        }
        tokio::select! {
            changed = statuses.changed() => if changed.is_err() { return },
            _ = look.tick() => act::tell_autostart(&app),
        }
    }
}

async fn obey_signals(app: AppHandle) {
    let mut quit = match Quit::hear() {
        Ok(quit) => quit,
        Err(error) => return tracing::error!(%error, "Signals can't be heard"),
    };
    quit.asked().await;
    let commands = app.state::<Reach>().commands.clone();
    let _ = Ask::send(&commands, Command::Quit { yes: true }).await;
    quit.asked().await;
    // Asked twice: at once. The next start puts in order what is left.
    app.cleanup_before_exit();
    std::process::exit(130);
}

fn on_event(app: &AppHandle, event: RunEvent) {
    match event {
        // The last window was closed: with a tray the app goes on, without one that was the start's trouble.
        RunEvent::ExitRequested { code: None, api, .. } => {
            api.prevent_exit();
            if app.try_state::<Life>().is_none() {
                app.exit(1);
            }
        }
        RunEvent::Exit => end(app),
        #[cfg(target_os = "macos")]
        RunEvent::Reopen { .. } => window::open(app, Page::Overview),
        _ => {}
    }
}

/// The platform ends the app (⌘Q, a logout), or the orchestrator has ended: either way it ends in order (Q6).
fn end(app: &AppHandle) {
    let Some(life) = app.try_state::<Life>() else { return };
    let Some(life) = life.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() else { return };
    tauri::async_runtime::block_on(async {
        let commands = app.state::<Reach>().commands.clone();
        let _ = Ask::send(&commands, Command::Quit { yes: true }).await;
        let _ = life.await;
    });
}
