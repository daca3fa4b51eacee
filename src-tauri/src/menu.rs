//! The menu that a Mac shows on top while the window is in front: the platform's own, with a Quit that asks as the tray's does.
//! A click is heard where the tray's are ([`crate::tray::chosen`]).

use nanoclaw_core::present::tray::Action;
use tauri::{
    AppHandle, Wry,
    menu::{Menu, MenuItem},
};

/// # Errors
/// When the platform makes none.
pub fn menu(app: &AppHandle) -> tauri::Result<Menu<Wry>> {
    let menu = Menu::default(app)?;
    // The first is the app's; its last row ends the app unasked.
    if let Some(ours) = menu.items()?.first().and_then(|first| first.as_submenu()) {
        if let Some(last) = ours.items()?.len().checked_sub(1) {
            ours.remove_at(last)?;
        }
        let quit = serde_json::to_string(&Some(Action::Quit { yes: false }))?;
        ours.append(&MenuItem::with_id(app, quit, "Quit NanoClaw", true, Some("CmdOrCtrl+Q"))?)?;
    }
    Ok(menu)
}
