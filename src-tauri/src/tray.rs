//! Draws core's tray value. Must not decide what is shown or what a row does.
//!
//! The value is compared with the one before and only what differs is changed, in place: a new menu would be registered anew
//! with the desktop, and close one that is open. An item's id says what it does, so that a click does what was read in the
//! menu, also where the menu has changed by the time the click is heard of. Called on the main thread.

use std::{
    ops::Range,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};
use jiff::{Timestamp, tz::TimeZone};
use nanoclaw_core::{
    present::tray::{Action, Row, Tray, same_rows, tray},
    status::{AppStatus, Level},
};
use tauri::{
    AppHandle, Manager, Wry,
    image::Image,
    include_image,
    menu::{CheckMenuItem, IsMenuItem, Menu, MenuEvent, MenuItem, PredefinedMenuItem, Submenu},
    tray::{TrayIcon, TrayIconBuilder},
};

use crate::{act, commands::Reach};

const ID: &str = "nanoclaw";

/// What is drawn. Kept by Tauri.
struct Drawn {
    value: Tray,
    menu: NativeMenu,
    zone: TimeZone,
}

struct NativeMenu {
    root: Menu<Wry>,
    rows: Vec<NativeRow>,
}

enum NativeRow {
    Item(MenuItem<Wry>),
    Check(CheckMenuItem<Wry>),
    Menu(Submenu<Wry>),
    Separator(PredefinedMenuItem<Wry>),
}

/// Makes the tray. `zone`: the one that people read times in; `folder`: where the picture's file goes, on Linux.
///
/// # Errors
/// When the desktop takes none.
pub fn start(app: &AppHandle, status: &AppStatus, zone: TimeZone, folder: PathBuf) -> Result<()> {
    let value = tray(status, &Timestamp::now().to_zoned(zone.clone()));
    let menu = NativeMenu::build(app, &value.menu)?;
    TrayIconBuilder::with_id(ID)
        .icon(picture(value.icon))
        .icon_as_template(true)
        .title(value.title)
        .tooltip(tooltip(status))
        .temp_dir_path(folder)
        .menu(&menu.root)
        .build(app)?;
    app.manage(Mutex::new(Drawn { value, menu, zone }));
    Ok(())
}

/// Draws a status.
pub fn draw(app: &AppHandle, status: &AppStatus) {
    if let Err(error) = try_draw(app, status) {
        tracing::error!("The tray can't be drawn: {error:#}");
    }
}

fn try_draw(app: &AppHandle, status: &AppStatus) -> Result<()> {
    let icon = app.tray_by_id(ID).context("there is no tray")?;
    let drawn = app.try_state::<Mutex<Drawn>>().context("there is no tray")?;
    let mut drawn = drawn.lock().unwrap_or_else(PoisonError::into_inner);
    let new = tray(status, &Timestamp::now().to_zoned(drawn.zone.clone()));
    drawn.change_to(app, &icon, new)?;
    Ok(icon.set_tooltip(Some(tooltip(status)))?)
}

impl Drawn {
    fn change_to(&mut self, app: &AppHandle, icon: &TrayIcon, new: Tray) -> Result<()> {
        if new.icon != self.value.icon {
            icon.set_icon_with_as_template(Some(picture(new.icon)), true)?;
        }
        if new.title != self.value.title {
            icon.set_title(Some(new.title))?;
        }
        self.menu.change(app, &self.value.menu, &new.menu)?;
        self.value = new;
        Ok(())
    }
}

impl NativeMenu {
    /// Changes what differs between the rows that it has and new ones.
    fn change(&mut self, app: &AppHandle, old: &[Row], new: &[Row]) -> tauri::Result<()> {
        let (top, bottom) = same_rows(old, new);
        self.replace(app, top..old.len() - bottom, &new[top..new.len() - bottom])?;
        let kept = old[..top].iter().chain(&old[old.len() - bottom..]);
        let places = (0..top).chain(new.len() - bottom..new.len());
        for (old, at) in kept.zip(places) {
            match (&self.rows[at], old, &new[at]) {
                (NativeRow::Item(item), Row::Item { text: old, .. }, Row::Item { text, .. }) if old != text => {
                    item.set_text(label(text))?;
                }
                // The desktop turns a tick over at the click, whatever comes of it.
                (NativeRow::Check(item), _, Row::Check { on, .. }) => item.set_checked(*on)?,
                // GTK's submenus keep the text that they were made with, so it is another one in the same place.
                (NativeRow::Menu(_), old, row) if old != row => {
                    self.replace(app, at..at + 1, std::slice::from_ref(row))?
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn replace(&mut self, app: &AppHandle, places: Range<usize>, rows: &[Row]) -> tauri::Result<()> {
        let rows = build(app, rows)?;
        for _ in places.clone() {
            self.root.remove_at(places.start)?;
        }
        for (at, row) in (places.start..).zip(&rows) {
            self.root.insert(row.item(), at)?;
        }
        self.rows.splice(places, rows);
        Ok(())
    }

    fn build(app: &AppHandle, rows: &[Row]) -> tauri::Result<Self> {
        let rows = build(app, rows)?;
        let items: Vec<_> = rows.iter().map(NativeRow::item).collect();
        Ok(NativeMenu { root: Menu::with_items(app, &items)?, rows })
    }
}

fn build(app: &AppHandle, rows: &[Row]) -> tauri::Result<Vec<NativeRow>> {
    rows.iter().map(|row| build_row(app, row)).collect()
}

fn build_row(app: &AppHandle, row: &Row) -> tauri::Result<NativeRow> {
    let id = |action: &Option<Action>| serde_json::to_string(action);
    Ok(match row {
        Row::Item { text, action } => {
            NativeRow::Item(MenuItem::with_id(app, id(action)?, label(text), action.is_some(), None::<&str>)?)
        }
        Row::Check { text, on, action } => {
            let (id, enabled) = (id(action)?, action.is_some());
            NativeRow::Check(CheckMenuItem::with_id(app, id, label(text), enabled, *on, None::<&str>)?)
        }
        Row::Menu { text, rows } => {
            let rows = build(app, rows)?;
            let items: Vec<_> = rows.iter().map(NativeRow::item).collect();
            NativeRow::Menu(Submenu::with_items(app, label(text), true, &items)?)
        }
        Row::Separator => NativeRow::Separator(PredefinedMenuItem::separator(app)?),
    })
}

impl NativeRow {
    fn item(&self) -> &dyn IsMenuItem<Wry> {
        match self {
            NativeRow::Item(item) => item,
            NativeRow::Check(item) => item,
            NativeRow::Menu(item) => item,
            NativeRow::Separator(item) => item,
        }
    }
}

/// A row of the tray's menu was chosen, or of the Mac's.
pub fn chosen(app: &AppHandle, event: &MenuEvent) {
    if app.try_state::<Reach>().is_none() {
        // It could not start: there is nothing but its end to choose.
        return app.exit(1);
    }
    match serde_json::from_str::<Option<Action>>(event.id.as_ref()) {
        Ok(Some(action)) => act::act(app, action),
        Ok(None) => {}
        Err(error) => tracing::error!("A row of the menu does nothing: {error}"),
    }
}

/// In a label a single `&` marks the key that chooses it.
fn label(text: &str) -> String {
    text.replace('&', "&&")
}

/// Said where the platform shows it when the pointer rests on the icon.
fn tooltip(status: &AppStatus) -> String {
    format!("NanoClaw: {}", status.headline.text)
}

/// White with a dark edge: nothing tells the colour of the panel.
#[cfg(target_os = "linux")]
fn picture(level: Level) -> Image<'static> {
    match level {
        Level::Ready => include_image!("icons/tray-ready-linux.png"),
        Level::Working => include_image!("icons/tray-working-linux.png"),
        Level::NeedsYou => include_image!("icons/tray-needs-you-linux.png"),
        Level::Offline => include_image!("icons/tray-offline-linux.png"),
        Level::Paused => include_image!("icons/tray-paused-linux.png"),
    }
}

/// A template: the system gives it its colour.
#[cfg(not(target_os = "linux"))]
fn picture(level: Level) -> Image<'static> {
    match level {
        Level::Ready => include_image!("icons/tray-ready.png"),
        Level::Working => include_image!("icons/tray-working.png"),
        Level::NeedsYou => include_image!("icons/tray-needs-you.png"),
        Level::Offline => include_image!("icons/tray-offline.png"),
        Level::Paused => include_image!("icons/tray-paused.png"),
    }
}
