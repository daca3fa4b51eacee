//! The WhatsApp page: one panel for each state of the link, with its sentence and its cure (W5), and the codes while it
//! is being linked (W1, W2). The Overview takes its title and its row from the same words.

use qrcode::{Color, EcLevel, QrCode};
use serde_json::json;

use super::{
    ask, button, clean, first_sentence,
    view::{Button, Code, Confirm, Detail, Fact, Line, Look, Mark, Page, Panel, PhoneForm, Qr, Vital, WhatsAppView},
};
use crate::{
    link::LinkState,
    present::words::count,
    status::{AppStatus, WhatsAppStatus, rfc3339},
};

pub(super) fn view(status: &AppStatus) -> WhatsAppView {
    let whatsapp = &status.whatsapp;
    let qr = whatsapp.qr.as_ref().and_then(|qr| {
        let steps = [
            "Open WhatsApp on your phone.",
            "Tap Linked devices (iPhone: in Settings, Android: under\u{a0}⋮), then Link a device.",
            "Point the phone at this code.",
        ];
        let (size, path) = drawn(&qr.data)?;
        Some(Qr { size, path, expires_at: rfc3339(qr.expires_at), steps: steps.map(str::to_owned).into() })
    });
    let code = whatsapp.pairing_code.as_ref().map(|code| {
        let steps = [
            "Look at your phone: WhatsApp asks to link a new device. If not, open Linked devices there, then Link with phone number.",
            "Type this code there.",
        ];
        Code {
            code: in_halves(&code.code),
            expires_at: rfc3339(code.expires_at),
            text: format!("For {}.", clean(&code.phone)),
            steps: steps.map(str::to_owned).into(),
        }
    });
    let connected = whatsapp.state == LinkState::Connected;
    let cancel = (qr.is_some() || code.is_some())
        .then(|| button("Cancel", Look::Quiet, ask("pair", json!({"cancel": true}), None)));
    WhatsAppView {
        panel: if cancel.is_some() { None } else { Some(panel(status)) },
        qr,
        code,
        phone: matches!(whatsapp.state, LinkState::Pairing | LinkState::Passkey).then(|| phone_form(status)),
        cancel,
        facts: if connected { facts(whatsapp) } else { Vec::new() },
        details: details(status),
        sign_out: connected.then(|| sign_out(status)),
    }
}

/// The state with its cure. On the Overview it is the headline where it is the worst that is true.
pub(super) fn panel(status: &AppStatus) -> Panel {
    let whatsapp = &status.whatsapp;
    let name = clean(&status.assistant);
    let reconnect = |label| Some(button(label, Look::Primary, ask("reconnect", json!({}), None)));
    let pair = |label| Some(button(label, Look::Primary, ask("pair", json!({}), None)));
    let say =
        |mark, title: &str, text: Line, button: Option<Button>| Panel { mark, title: title.to_owned(), text, button };
    match whatsapp.state {
        LinkState::Starting => say(Mark::Busy, "WhatsApp is starting", "This takes a few seconds.".into(), None),
        LinkState::Connecting => say(Mark::Busy, "Connecting to WhatsApp", "This takes a few seconds.".into(), None),
        LinkState::Connected => say(
            Mark::Ready,
            &connected_as(whatsapp),
            match whatsapp.jid.as_deref().and_then(number) {
                Some(number) => format!("{number}. It stays linked after a restart.").into(),
                None => "It stays linked after a restart.".into(),
            },
            None,
        ),
        LinkState::Pairing => say(
            Mark::NeedsYou,
            "WhatsApp is not linked",
            format!("The codes have run out. Show new ones, and scan one with the phone that {name} is to use.").into(),
            pair("Show new codes"),
        ),
        LinkState::Offline => say(
            Mark::Offline,
            "No connection to WhatsApp",
            match (whatsapp.retry_at, waiting(whatsapp)) {
                (Some(at), waiting) => Line::at(format!("NanoClaw tries again {{in}}.{waiting}"), at),
                (None, waiting) => format!("NanoClaw tries again by itself.{waiting}").into(),
            },
            Some(button("Try now", Look::Plain, ask("reconnect", json!({}), None))),
        ),
        LinkState::LoggedOut => say(
            Mark::NeedsYou,
            "WhatsApp has signed this computer out",
            "It was removed under Linked devices on the phone, or was not used for too long. Chats, tasks and settings stay.".into(),
            pair("Link again"),
        ),
        LinkState::SignedOut => say(
            Mark::NeedsYou,
            "You signed out of WhatsApp",
            format!("{} Chats, tasks and settings stay.", whatsapp.text).into(),
            pair("Link again"),
        ),
        LinkState::Replaced => say(
            Mark::NeedsYou,
            "Another program uses this sign-in",
            "Only one program can use it at a time. Quit the other one, then connect here.".into(),
            reconnect("Connect here"),
        ),
        LinkState::Banned => say(
            Mark::NeedsYou,
            "WhatsApp has blocked this number for a while",
            match whatsapp.until {
                Some(until) => Line::at("The block ends {when}, and NanoClaw connects by itself then. Trying before makes it longer.", until),
                None => "WhatsApp does not say for how long. Wait some hours, because trying makes it longer.".into(),
            },
            // It would make a ban longer that ends by itself.
            whatsapp.until.is_none().then(|| button("Try again", Look::Plain, ask("reconnect", json!({}), None))),
        ),
        LinkState::Outdated => say(
            Mark::NeedsYou,
            "WhatsApp no longer accepts this version",
            "Trying again in an hour may help, as WhatsApp is asked for the version to use; otherwise a newer NanoClaw does. WhatsApp keeps the messages to you meanwhile.".into(),
            reconnect("Try again"),
        ),
        LinkState::Locked => say(
            Mark::NeedsYou,
            "WhatsApp has locked this account",
            "Open WhatsApp on your phone and do what it says. Then connect here again.".into(),
            reconnect("Connect again"),
        ),
        LinkState::Refused => say(
            Mark::NeedsYou,
            // The status' own first sentence names the refusal's number.
            &clean(first_sentence(&whatsapp.text).0),
            "NanoClaw does not try again by itself, because the answer may well be the same.".into(),
            reconnect("Try again"),
        ),
        LinkState::Passkey => say(
            Mark::NeedsYou,
            "Your phone asks for a passkey",
            "NanoClaw can't give one. A code for a phone number works without it.".into(),
            None,
        ),
    }
}

/// The Overview's headline while WhatsApp waits for the person: the panel, with a way to the page that holds the codes.
pub(super) fn headline(status: &AppStatus) -> Panel {
    let name = clean(&status.assistant);
    let go = |label| Some(button(label, Look::Primary, super::go(Page::Whatsapp)));
    match status.whatsapp.state {
        LinkState::Pairing => Panel {
            mark: Mark::NeedsYou,
            title: "WhatsApp is not linked".to_owned(),
            text: format!("{name} reads and answers once you have scanned a code with your phone.").into(),
            button: go("Link WhatsApp"),
        },
        LinkState::Passkey => Panel { button: go("Use a phone number"), ..panel(status) },
        _ => panel(status),
    }
}

pub(super) fn vital(status: &AppStatus) -> Vital {
    let whatsapp = &status.whatsapp;
    let text: Line = match whatsapp.state {
        LinkState::Starting => "Starting".into(),
        LinkState::Connecting => "Connecting".into(),
        LinkState::Connected => connected_as(whatsapp).into(),
        LinkState::Pairing => "Not linked".into(),
        LinkState::Offline => match whatsapp.retry_at {
            Some(at) => Line::at("No connection, again {in}", at),
            None => "No connection".into(),
        },
        LinkState::LoggedOut | LinkState::SignedOut => "Signed out".into(),
        LinkState::Replaced => "Used by another program".into(),
        LinkState::Banned => match whatsapp.until {
            Some(until) => Line::at("Blocked until {when}", until),
            None => "Blocked for a while".into(),
        },
        LinkState::Outdated => "This version is too old".into(),
        LinkState::Locked => "Account locked".into(),
        LinkState::Refused => "Connection refused".into(),
        LinkState::Passkey => "Asks for a passkey".into(),
    };
    Vital { title: "WhatsApp".to_owned(), mark: panel(status).mark, text, page: Some(Page::Whatsapp) }
}

fn connected_as(whatsapp: &WhatsAppStatus) -> String {
    match whatsapp.push_name.as_deref().map(clean) {
        Some(name) if !name.is_empty() => format!("Connected as {name}"),
        _ => "Connected".to_owned(),
    }
}

/// What waits for the connection, as a sentence with a space before it.
fn waiting(whatsapp: &WhatsAppStatus) -> String {
    match whatsapp.queued_out {
        0 => String::new(),
        1 => " One answer waits and goes out by itself.".to_owned(),
        n => format!(" {n} answers wait and go out by themselves."),
    }
}

fn facts(whatsapp: &WhatsAppStatus) -> Vec<Fact> {
    let fact = |title: &str, count: u64, button| Fact { title: title.to_owned(), value: count.to_string(), button };
    let again = (whatsapp.failed_out > 0).then(|| {
        let confirm = Confirm {
            title: format!("Send {} again?", count(whatsapp.failed_out, "answer", "answers")),
            text: "WhatsApp refused to take them. They go out as they were written, however old.".to_owned(),
            label: "Send again".to_owned(),
        };
        button("Send again…", Look::Plain, ask("whatsapp.resend", json!({"yes": true}), Some(confirm)))
    });
    vec![
        fact("Answers waiting to go out", whatsapp.queued_out, None),
        fact("Answers that could not be delivered", whatsapp.failed_out, again),
    ]
}

fn details(status: &AppStatus) -> Vec<Detail> {
    let name = clean(&status.assistant);
    let detail = |title: &str, text: String| vec![Detail { title: title.to_owned(), text }];
    match status.whatsapp.state {
        LinkState::Pairing | LinkState::Passkey => detail(
            "What can NanoClaw see?",
            format!(
                "{name} reads and keeps only the chats that you choose. Of all others it knows the name and when \
                 something was last written. On your phone you can remove this computer at any time, under Linked devices."
            ),
        ),
        LinkState::LoggedOut | LinkState::SignedOut => detail(
            "What happens to the old sign-in?",
            "It is moved to a folder beside it, `store/auth.bak`, with the time in its name. Nothing is deleted."
                .to_owned(),
        ),
        LinkState::Banned => detail(
            "Why does this happen?",
            "WhatsApp does it when a number sends a lot in a short time, or writes to people who don't know it."
                .to_owned(),
        ),
        _ => Vec::new(),
    }
}

fn phone_form(status: &AppStatus) -> PhoneForm {
    let failed = status.problems.iter().find(|problem| problem.code == "pairing-failed");
    PhoneForm {
        lead: match failed {
            Some(failed) => format!("{} {}", failed.text, failed.cure),
            None => "Your phone shows a message from WhatsApp, and you type a short code there. Good where the camera can't see this screen.".to_owned(),
        },
        label: "Your phone number, with its country code".to_owned(),
        hint: "For example +49 151 23456789.".to_owned(),
        button: "Get a code".to_owned(),
        command: "pair".to_owned(),
    }
}

fn sign_out(status: &AppStatus) -> Button {
    let confirm = Confirm {
        title: "Sign out of WhatsApp?".to_owned(),
        text: format!(
            "{} stops answering until you link again. Chats and tasks stay, and the sign-in is kept as a backup.",
            clean(&status.assistant)
        ),
        label: "Sign out".to_owned(),
    };
    button("Sign out of WhatsApp…", Look::Danger, ask("logout", json!({"yes": true}), Some(confirm)))
}

/// `15550001111:3@s.whatsapp.net` as `+15550001111`; `None` where the address is no phone's.
fn number(jid: &str) -> Option<String> {
    let user = jid.strip_suffix("@s.whatsapp.net")?;
    let digits = user.split_once(':').map_or(user, |(digits, _)| digits);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| format!("+{digits}"))
}

/// `ABCDEFGH` as `ABCD-EFGH`, as phones show it.
fn in_halves(code: &str) -> String {
    let letters: Vec<char> = code.chars().filter(char::is_ascii_alphanumeric).collect();
    let (first, second) = letters.split_at(letters.len() / 2);
    format!("{}-{}", first.iter().collect::<String>(), second.iter().collect::<String>())
}

/// The code's modules a side, and its dark modules as an SVG path: one step for each run of them in a row.
fn drawn(data: &str) -> Option<(u32, String)> {
    // The code is shown on a clean screen: the least error correction makes the largest modules.
    let code = QrCode::with_error_correction_level(data, EcLevel::L).ok()?;
    let size = code.width();
    let colors = code.to_colors();
    let mut path = String::new();
    for (y, row) in colors.chunks(size).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run.first() == Some(&Color::Dark) {
                path.push_str(&format!("M{x} {y}h{0}v1h-{0}z", run.len()));
            }
            x += run.len();
        }
    }
    Some((u32::try_from(size).ok()?, path))
}
