//! When a start opens the window (T5): at once where asked, when something needs the person where nothing was said, and
//! never by itself at login.

use crate::{
    link::LinkState,
    status::{AppStatus, EngineState, Level},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    Now,
    /// If something needs the person once it is known how all is.
    IfNeeded,
    /// When the person asks for it.
    Later,
}

impl Opening {
    /// # Arguments
    /// Those that the app was started with.
    pub fn of<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        arguments.into_iter().fold(Opening::IfNeeded, |opening, argument| match (argument, opening) {
            ("--show", _) | (_, Opening::Now) => Opening::Now,
            ("--login", _) => Opening::Later,
            _ => opening,
        })
    }

    /// Takes the next status after the start: whether the window opens with it.
    pub fn opens(&mut self, status: &AppStatus) -> bool {
        let settled = is_settled(status);
        let opens = match (*self, status.headline.level) {
            (Opening::Now, _) => true,
            (Opening::IfNeeded, Level::NeedsYou) => true,
            // Without Docker, or never connected yet: who starts it by hand wants to see why nothing comes of it.
            (Opening::IfNeeded, Level::Offline) => settled,
            (Opening::IfNeeded | Opening::Later, _) => false,
        };
        if opens || settled {
            *self = Opening::Later;
        }
        opens
    }
}

/// Whether all that is found out after a start has been. What goes wrong later is a notification (T6), not a window.
fn is_settled(status: &AppStatus) -> bool {
    let on_its_way = matches!(status.whatsapp.state, LinkState::Starting | LinkState::Connecting);
    !on_its_way && status.engine.state != EngineState::Starting && status.kiro.host.at.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{present::states, status::SignInStatus};

    fn named(state: &str) -> AppStatus {
        if state != "kiro_not_asked" {
            return states::named(state);
        }
        let mut status = states::named("ready");
        status.kiro.host = SignInStatus::not_asked();
        status
    }

    #[test]
    fn a_start_opens_the_window_when_it_should() {
        // T5
        for (arguments, passing, opens_with) in [
            (&[][..], &["starting", "connecting", "not_paired", "not_paired"][..], Some(2)),
            (&[], &["starting", "connecting", "ready", "not_paired"], None),
            (&[], &["starting", "docker_down", "logged_out"], Some(1)),
            (&[], &["starting", "connecting", "offline"], Some(2)),
            (&["--login"], &["starting", "docker_down"], None),
            (&[], &["starting", "kiro_not_asked", "needs_you_kiro"], Some(2)),
            (&[], &["starting", "kiro_not_asked", "ready", "needs_you_kiro"], None),
            (&["--login"], &["starting", "not_paired"], None),
            (&["--show"], &["starting", "not_paired"], Some(0)),
            (&["--login", "--show"], &["starting"], Some(0)),
            (&["--show", "--login"], &["starting"], Some(0)),
            (&["--unknown"], &["logged_out"], Some(0)),
        ] {
            let mut opening = Opening::of(arguments.iter().copied());
            let opened = passing.iter().map(|state| opening.opens(&named(state)));
            let opened: Vec<usize> = opened.enumerate().filter_map(|(at, opened)| opened.then_some(at)).collect();
            assert_eq!(opened, opens_with.into_iter().collect::<Vec<_>>(), "{arguments:?} {passing:?}");
        }
    }
}
