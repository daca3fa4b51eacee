//! The Kiro page: who is signed in where (K1), signing in and out (K2), and whose sign-in agents use (K4).

use serde_json::json;

use super::{
    ask, button, clean, desktop,
    pages::{KeyForm, KiroView, Login, Mode, Organisation, Place, Way},
    runs_on_host,
    view::{Button, Confirm, Look, Mark, Page, Panel, Vital},
};
use crate::{
    kiro::{Method, SignIn},
    present::tray::{Action, Website},
    settings::KiroMode,
    status::{AppStatus, LoginState, LoginStatus, SignInStatus, Wanted, rfc3339},
};

pub(super) fn view(status: &AppStatus) -> KiroView {
    let kiro = &status.kiro;
    let login = kiro.login.as_ref().filter(|login| login.state != LoginState::Succeeded);
    let under_way = login.is_some_and(LoginStatus::is_under_way);
    let signed_in = status.kiro.state(status.runtime) == Some(SignIn::SignedIn);
    // Else in a container, which has a kiro-cli of its own.
    let on_host = kiro.mode == KiroMode::Shared || runs_on_host(status);
    let can_sign_in = kiro.mode != KiroMode::ApiKey && !(on_host && kiro.host.state == SignIn::Missing);
    let signs_in = !under_way && !signed_in && can_sign_in;
    KiroView {
        panel: (!under_way).then(|| panel(status)),
        places: places(status),
        check: Button {
            off: kiro.checking || status.wanted == Wanted::Quitting,
            ..button(
                if kiro.checking { "Checking" } else { "Check now" },
                Look::Plain,
                ask("kiro.check", json!({}), None),
            )
        },
        login: login.filter(|login| under_way || (!signed_in && login.state != LoginState::Cancelled)).map(of_login),
        methods: if signs_in { methods(status) } else { Vec::new() },
        ends: (signs_in && kiro.is_refused(status.runtime)).then(|| ends(status)),
        browser: on_host,
        modes: [KiroMode::Shared, KiroMode::Own, KiroMode::ApiKey].map(|mode| of_mode(status, mode)).into(),
        key: (kiro.mode == KiroMode::ApiKey).then(|| key(status)),
        sign_out: (signed_in && !under_way && kiro.mode != KiroMode::ApiKey).then(|| sign_out(status)),
    }
}

fn ends(status: &AppStatus) -> Confirm {
    Confirm {
        title: "Sign in anew?".to_owned(),
        text: format!("Kiro refused agents with the present sign-in, so it is ended first. {}", whom(status)),
        label: "Sign in anew".to_owned(),
    }
}

pub(super) fn panel(status: &AppStatus) -> Panel {
    let (kiro, name) = (&status.kiro, clean(&status.assistant));
    let say =
        |mark, title: &str, text: String| Panel { mark, title: title.to_owned(), text: text.into(), button: None };
    let waits = match kiro.parked {
        0 => "Messages wait until then.".to_owned(),
        1 => "One message waits, and goes on by itself.".to_owned(),
        n => format!("{n} messages wait, and go on by themselves."),
    };
    let seen = kiro.of_runs(status.runtime);
    let account = seen.and_then(|seen| seen.account.as_deref()).map(clean);
    let refused = kiro.parked > 0 && seen.is_some_and(|seen| seen.state == SignIn::SignedIn);
    match (kiro.mode, status.kiro.state(status.runtime)) {
        (KiroMode::ApiKey, _) if !kiro.has_key => {
            say(Mark::NeedsYou, "There is no API key for Kiro", format!("Give one below. {waits}"))
        }
        (KiroMode::ApiKey, Some(SignIn::SignedOut)) => {
            say(Mark::NeedsYou, "Kiro does not take the API key", format!("Give another one below. {waits}"))
        }
        (_, Some(SignIn::SignedOut)) if refused => say(
            Mark::NeedsYou,
            "Kiro refuses this sign-in",
            format!("Sign in again; the old sign-in is ended first. {waits}"),
        ),
        (_, Some(SignIn::SignedOut)) if kiro.mode == KiroMode::Shared && kiro.host.state == SignIn::SignedIn => say(
            Mark::NeedsYou,
            "Containers don\u{2019}t see your sign-in",
            format!("This computer is signed in to Kiro, but {name} is not. Sign in anew below. {waits}"),
        ),
        (_, Some(SignIn::SignedOut)) => {
            say(Mark::NeedsYou, "Kiro is signed out", format!("{name} thinks with Kiro. Sign in once. {waits}"))
        }
        (_, Some(SignIn::SignedIn)) => say(
            Mark::Ready,
            if kiro.mode == KiroMode::ApiKey { "The API key works" } else { "Signed in to Kiro" },
            account.map_or_else(|| format!("{name} can think."), |account| format!("{account}.")),
        ),
        (_, Some(SignIn::Missing)) => Panel {
            button: Some(website("Get kiro-cli", Website::Kiro)),
            ..say(
                Mark::Note,
                "kiro-cli was not found",
                "Install it, then check again. If it lies in an unusual place, name it in Settings.".to_owned(),
            )
        },
        // K1: no alarm, and never called signed out.
        (_, Some(SignIn::Unknown)) if seen.is_some_and(|seen| seen.at.is_some()) => say(
            Mark::Unknown,
            "Can\u{2019}t tell whether Kiro is signed in",
            format!("{} It is looked at again by itself, and work goes on meanwhile.", reason(seen)),
        ),
        (_, Some(SignIn::Unknown) | None) => {
            say(Mark::Busy, "Looking who is signed in", "This takes a few seconds.".to_owned())
        }
    }
}

fn reason(seen: Option<&SignInStatus>) -> String {
    let text = seen.map(|seen| clean(&seen.text)).unwrap_or_default();
    let text = text.strip_prefix("Can't tell: ").unwrap_or(&text);
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let sentence = format!("{first}{}", letters.as_str());
    if sentence.is_empty() || sentence.ends_with('.') { sentence } else { format!("{sentence}.") }
}

pub(super) fn vital(status: &AppStatus) -> Vital {
    let panel = panel(status);
    let text = match status.kiro.state(status.runtime) {
        _ if status.kiro.mode == KiroMode::ApiKey && !status.kiro.has_key => "No API key yet".to_owned(),
        Some(SignIn::SignedIn) if status.kiro.mode == KiroMode::ApiKey => "Uses an API key".to_owned(),
        Some(SignIn::SignedIn) => {
            let account = status.kiro.of_runs(status.runtime).and_then(|seen| seen.account.as_deref());
            account.map_or("Signed in".to_owned(), clean)
        }
        Some(SignIn::SignedOut) if status.kiro.mode == KiroMode::ApiKey => "API key refused".to_owned(),
        Some(SignIn::SignedOut) => "Signed out".to_owned(),
        Some(SignIn::Missing) => "kiro-cli was not found".to_owned(),
        Some(SignIn::Unknown) if panel.mark == Mark::Unknown => "Can\u{2019}t tell".to_owned(),
        Some(SignIn::Unknown) | None => "Checking".to_owned(),
    };
    Vital { title: "Kiro".to_owned(), mark: panel.mark, text: text.into(), page: Some(Page::Kiro) }
}

fn places(status: &AppStatus) -> Vec<Place> {
    let (kiro, name) = (&status.kiro, clean(&status.assistant));
    let place = |title: String, seen: &SignInStatus| {
        let (mark, text) = match seen.state {
            SignIn::SignedIn => (Mark::Ready, seen.account.as_deref().map_or("Signed in".to_owned(), clean)),
            SignIn::SignedOut => (Mark::Off, "Signed out".to_owned()),
            SignIn::Missing => (Mark::Note, "kiro-cli was not found".to_owned()),
            SignIn::Unknown if seen.at.is_none() => (Mark::Busy, "Looking".to_owned()),
            SignIn::Unknown => (Mark::Unknown, format!("Can\u{2019}t tell. {}", reason(Some(seen)))),
        };
        Place { title, mark, text, at: seen.at.map(rfc3339) }
    };
    let here = if kiro.mode == KiroMode::Shared || runs_on_host(status) {
        "This computer".to_owned()
    } else {
        format!("This computer, not used by {name}")
    };
    let mut places = vec![place(here, &kiro.host)];
    if !runs_on_host(status) {
        let title = format!("{name}, in its container");
        places.push(match &kiro.container {
            Some(seen) => place(title, seen),
            None => Place { title, mark: Mark::Off, text: "Not looked at yet".to_owned(), at: None },
        });
    }
    places
}

fn of_login(login: &LoginStatus) -> Login {
    let (mark, title) = match login.state {
        LoginState::Starting => (Mark::Busy, "Asking Kiro for a code"),
        LoginState::Waiting if login.code.is_some() => (Mark::Busy, "Waiting for you to confirm in the browser"),
        LoginState::Waiting if login.expires_at.is_none() => (Mark::Busy, "Looking who is signed in"),
        LoginState::Waiting => (Mark::Busy, "Waiting for you to sign in in the browser"),
        LoginState::Succeeded => (Mark::Ready, "Signed in"),
        LoginState::Failed => (Mark::Note, "The sign-in did not work"),
        LoginState::Expired => (Mark::Note, "The code ran out"),
        LoginState::Cancelled => (Mark::Note, "The sign-in was cancelled"),
    };
    let under_way = login.is_under_way();
    Login {
        mark,
        title: title.to_owned(),
        text: match login.state {
            LoginState::Waiting if login.code.is_some() => {
                "Open the page, see that it shows the same code, and confirm. This window notices by itself.".to_owned()
            }
            LoginState::Expired => "Begin again to get a new one.".to_owned(),
            _ => clean(&login.text),
        },
        code: login.code.clone().filter(|_| under_way),
        url: login.url.clone().filter(|_| under_way),
        expires_at: login.expires_at.map(rfc3339).filter(|_| under_way),
        open: login
            .url
            .as_ref()
            .filter(|_| under_way)
            .map(|_| Button { look: Look::Primary, ..website("Open the page", Website::KiroSignIn) }),
        cancel: under_way.then(|| button("Cancel", Look::Quiet, ask("kiro.login-cancel", json!({}), None))),
    }
}

fn methods(status: &AppStatus) -> Vec<Way> {
    let usual = status.kiro.usual.as_ref();
    let chosen = usual.map_or(Method::BuilderId, |way| way.method);
    let way = |method, title: &str, text: &str| Way {
        method: serde_json::to_value(method).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default(),
        title: title.to_owned(),
        text: text.to_owned(),
        on: method == chosen,
        organisation: (method == Method::IdentityCenter).then(|| Organisation {
            start_url: usual.and_then(|way| way.start_url.clone()).unwrap_or_default(),
            region: usual.and_then(|way| way.region.clone()).unwrap_or_else(|| "us-east-1".to_owned()),
        }),
    };
    vec![
        way(Method::BuilderId, "Builder ID", "Free, with an e-mail address."),
        way(Method::IdentityCenter, "Identity Center", "Your organisation\u{2019}s sign-in, with its start URL."),
        way(Method::Google, "Google", "With a Google account."),
        way(Method::Github, "GitHub", "With a GitHub account."),
    ]
}

fn of_mode(status: &AppStatus, mode: KiroMode) -> Mode {
    let name = clean(&status.assistant);
    let (word, title) = match mode {
        KiroMode::Shared => ("shared", "Share this computer\u{2019}s sign-in".to_owned()),
        KiroMode::Own => ("own", format!("Give {name} its own sign-in")),
        KiroMode::ApiKey => ("api-key", "Use an API key".to_owned()),
    };
    let after = match mode {
        KiroMode::Own if runs_on_host(status) => format!("{name} then works with your own sign-in still."),
        KiroMode::Shared => format!("{name} then works with your own sign-in."),
        KiroMode::Own => format!("You then sign in once more, for {name}."),
        KiroMode::ApiKey => "You then give a key here.".to_owned(),
    };
    let confirm = Confirm {
        title: format!("{title}?"),
        text: format!("{} {after} Chats, tasks and messages stay.", mode.meaning(status.runtime)),
        label: "Change".to_owned(),
    };
    Mode {
        mode: word.to_owned(),
        text: mode.meaning(status.runtime).to_owned(),
        on: status.kiro.mode == mode,
        choose: button(&title, Look::Plain, ask("kiro.mode", json!({"mode": word, "yes": true}), Some(confirm))),
        title,
    }
}

fn key(status: &AppStatus) -> KeyForm {
    let has = status.kiro.has_key;
    let remove = Confirm {
        title: "Remove the API key?".to_owned(),
        text: "It is taken out of this computer\u{2019}s key store. Messages wait until there is another one."
            .to_owned(),
        label: "Remove".to_owned(),
    };
    KeyForm {
        label: if has { "Another API key" } else { "API key" }.to_owned(),
        hint: "It is kept in this computer\u{2019}s key store, and never shown again.".to_owned(),
        button: "Keep the key".to_owned(),
        command: "kiro.key".to_owned(),
        remove: has.then(|| button("Remove the key\u{2026}", Look::Danger, ask("kiro.key", json!({}), Some(remove)))),
    }
}

/// Who else is signed out.
fn whom(status: &AppStatus) -> String {
    let name = clean(&status.assistant);
    if status.kiro.mode == KiroMode::Shared || runs_on_host(status) {
        format!(
            "This signs out kiro-cli on this whole computer: in every terminal and editor that uses it, and {name} too."
        )
    } else {
        format!("Only {name} is signed out, not you.")
    }
}

fn sign_out(status: &AppStatus) -> Button {
    let confirm = Confirm {
        title: "Sign out of Kiro?".to_owned(),
        text: format!("{} Messages wait until somebody signs in again.", whom(status)),
        label: "Sign out".to_owned(),
    };
    button("Sign out of Kiro\u{2026}", Look::Danger, ask("kiro.logout", json!({"yes": true}), Some(confirm)))
}

pub(super) fn website(label: &str, website: Website) -> Button {
    button(label, Look::Plain, desktop(Action::OpenWebsite(website)))
}
