//! The window's view in every named state: as files that the page's own tests draw, and rule by rule.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::{Value, json};
use ts_rs::TS;

use super::*;
use crate::{
    present::states::{self, named},
    problem::Trouble,
    settings::{KiroMode, Runtime},
    status::RunState,
};

fn ui(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../ui").join(path)
}

/// Holds a generated file to what the code makes; with UPDATE=1 writes it.
fn is_current(path: &str, text: &str) {
    let file = ui(path);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == text,
        "ui/{path} is not what the code makes: run these tests with UPDATE=1 and look at the difference"
    );
}

#[test]
fn the_pages_types_are_current() {
    let config = ts_rs::Config::default();
    macro_rules! all {
        ($($shape:ident)*) => {{ [$($shape::decl(&config)),*] }};
    }
    let shapes = all!(WindowView Mark State Page Tab Line Panel Button Look Act Confirm Vital WhatsAppView Qr Code PhoneForm
        Fact Detail ContainersView Progress Chat Run Folder Waiting Startable Switch KiroView Place Login Way Organisation
        Mode KeyForm ChatsView GroupView ExtraMount SetupView Step StepKey AboutView);
    let head = "// Made from crates/core/src/present/window/view.rs by its tests (UPDATE=1). Not to be edited.\n";
    let exported = shapes.map(|shape| format!("export {shape}\n"));
    is_current("types.d.ts", &format!("{head}{}", exported.concat()));
}

#[test]
fn the_pages_states_are_current() {
    // T1
    let mut names = BTreeSet::new();
    for (name, status) in states::all() {
        let view = serde_json::to_string_pretty(&window(&status)).unwrap();
        is_current(&format!("test/states/{name}.json"), &format!("{view}\n"));
        names.insert(format!("{name}.json"));
    }
    let kept = fs::read_dir(ui("test/states")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(kept.collect::<BTreeSet<_>>(), names, "states that are no more");
}

#[test]
fn the_worst_is_the_headline_and_nothing_is_said_twice() {
    // T1
    for (name, mark, title, notices) in [
        ("ready", Mark::Ready, "All is well", 0),
        ("working", Mark::Working, "Working for one chat", 0),
        ("not_paired", Mark::NeedsYou, "WhatsApp is not linked", 0),
        ("needs_you_kiro", Mark::NeedsYou, "Kiro is signed out", 0),
        ("kiro_not_in_containers", Mark::NeedsYou, "Containers don\u{2019}t see your sign-in", 0),
        ("kiro_key_missing", Mark::NeedsYou, "There is no API key for Kiro", 0),
        ("first_start_chat", Mark::Busy, "The agent image is being built", 0),
        ("docker_down", Mark::Offline, "Docker is not running", 0),
        ("docker_forbidden", Mark::NeedsYou, "You may not use the Docker of this computer", 0),
        ("offline", Mark::Offline, "No connection to WhatsApp", 0),
        ("connecting", Mark::Busy, "Connecting to WhatsApp", 0),
        ("paused", Mark::Paused, "Paused", 0),
        ("paused_needs_you", Mark::NeedsYou, "WhatsApp has signed this computer out", 0),
        ("quitting", Mark::Busy, "Quitting", 0),
        ("image_building", Mark::Busy, "The agent image is being built", 0),
        ("image_missing", Mark::NeedsYou, "The agent image is missing", 0),
        ("image_failed", Mark::NeedsYou, "The agent's image could not be built: a download failed", 0),
        ("image_stale", Mark::Ready, "Ready", 1),
        ("image_not_rebuilt", Mark::Ready, "Ready", 1),
        ("image_rebuilding", Mark::Busy, "The agent image is being built", 0),
        ("troubled", Mark::Ready, "Ready", 3),
    ] {
        let view = window(&named(name));
        assert_eq!((view.headline.mark, view.headline.title.as_str()), (mark, title), "{name}");
        assert_eq!(view.notices.len(), notices, "{name}: {:?}", view.notices);
        assert!(view.notices.iter().all(|notice| notice.title != view.headline.title), "{name}");
    }
}

#[test]
fn each_state_of_the_image_has_its_button_wherever_it_is_told() {
    for (name, asks, can_start) in [
        ("image_missing", "image.build", false),
        ("image_building", "image.cancel", false),
        ("image_failed", "image.build", false),
        ("image_stale", "image.build", true),
        ("image_rebuilding", "image.cancel", true),
        ("image_not_rebuilt", "image.build", true),
        ("ready", "image.build", true),
    ] {
        let view = window(&named(name));
        let ContainersView { panel, rebuild, startable, .. } = view.containers;
        let at_hand = panel.and_then(|panel| panel.button).or(rebuild);
        assert_eq!(at_hand.as_ref().and_then(command).as_deref(), Some(asks), "{name}");
        assert_eq!(!startable.is_empty(), can_start, "{name}: the old image serves");
        let mut told = std::iter::once(view.headline).chain(view.notices);
        let told =
            told.find(|panel| panel.button.is_some()).inspect(|told| assert!(!told.text.text.contains("nanoclawctl")));
        let told = told.and_then(|panel| panel.button);
        assert_eq!(told.as_ref().and_then(command), (name != "ready").then(|| asks.to_owned()), "{name}");
    }
}

#[test]
fn a_second_trouble_is_a_notice() {
    let mut status = named("docker_down");
    status.problems.push(Trouble::KiroSignedOut.problem());
    let view = window(&status);
    assert_eq!(view.headline.title, "Docker is not running");
    assert_eq!(view.notices.iter().map(|notice| notice.title.as_str()).collect::<Vec<_>>(), ["Kiro is signed out"]);
}

#[test]
fn troubles_of_one_kind_with_one_cure_are_one_notice() {
    let mut status = named("ready");
    for path in ["/a", "/b", "/c"] {
        status.problems.push(Trouble::MountMissing { path: path.into() }.problem());
    }
    let notices = window(&status).notices;
    assert_eq!(notices.len(), 1);
    let said = format!("{} {}", notices[0].title, notices[0].text.text);
    assert!(["/a", "/b", "/c"].iter().all(|path| said.contains(path)), "{said}");
}

#[test]
fn each_state_of_the_link_has_its_panel_and_cure() {
    // W5
    for (name, mark, cure) in [
        ("starting", Mark::Busy, None),
        ("connecting", Mark::Busy, None),
        ("ready", Mark::Ready, None),
        ("codes_used_up", Mark::NeedsYou, Some("pair")),
        ("offline", Mark::Offline, Some("reconnect")),
        ("logged_out", Mark::NeedsYou, Some("pair")),
        ("signed_out", Mark::NeedsYou, Some("pair")),
        ("replaced", Mark::NeedsYou, Some("reconnect")),
        ("banned", Mark::NeedsYou, None),
        ("outdated", Mark::NeedsYou, Some("reconnect")),
        ("locked", Mark::NeedsYou, Some("reconnect")),
        ("refused", Mark::NeedsYou, Some("reconnect")),
        ("passkey", Mark::NeedsYou, None),
    ] {
        let panel = window(&named(name)).whatsapp.panel.unwrap();
        assert_eq!((panel.mark, panel.button.as_ref().and_then(command)), (mark, cure.map(str::to_owned)), "{name}");
        assert!(panel.text.text.ends_with('.') && !panel.title.ends_with('.'), "{name}: {panel:?}");
    }
    assert_eq!(window(&named("refused")).whatsapp.panel.unwrap().title, "WhatsApp refused the connection (405)");
}

#[test]
fn the_code_is_drawn_whole_with_the_moment_it_ends() {
    // W1
    let status = named("not_paired");
    let view = window(&status).whatsapp;
    let qr = view.qr.unwrap();
    let code =
        qrcode::QrCode::with_error_correction_level(&status.whatsapp.qr.unwrap().data, qrcode::EcLevel::L).unwrap();
    let dark = code.to_colors().iter().filter(|color| **color == qrcode::Color::Dark).count();
    let drawn: usize =
        qr.path.split('h').skip(1).step_by(2).map(|run| run.split('v').next().unwrap().parse::<usize>().unwrap()).sum();
    assert_eq!((qr.size as usize, drawn), (code.width(), dark));
    assert_eq!(qr.expires_at, "2026-05-12T10:30:42.000Z");
    assert!(view.panel.is_none() && view.cancel.is_some());
    assert!(window(&named("codes_used_up")).whatsapp.qr.is_none());
}

#[test]
fn a_pairing_code_is_shown_as_phones_show_it() {
    // W2
    let view = window(&named("pairing_code")).whatsapp;
    let code = view.code.unwrap();
    assert_eq!((code.code.as_str(), code.text.as_str()), ("ABCD-1234", "For +4915110000001."));
    assert_eq!(view.phone.unwrap().command, "pair");
}

#[test]
fn codes_and_numbers_stand_in_their_own_view_only() {
    // W1
    for name in ["not_paired", "pairing_code", "ready"] {
        let view = window(&named(name));
        let elsewhere =
            serde_json::to_string(&json!([view.headline, view.notices, view.vitals, view.containers])).unwrap();
        assert!(!elsewhere.contains("49151") && !elsewhere.contains("ABCD"), "{name}");
        let shown = format!("{view:?}");
        assert!(!shown.contains("ABCD") && !shown.contains("M0 0h7"), "{name}");
    }
}

#[test]
fn cant_tell_is_never_signed_out() {
    // K1
    let kiro = window(&named("kiro_unknown")).vitals.into_iter().find(|vital| vital.title == "Kiro").unwrap();
    assert_eq!((kiro.mark, kiro.text.text.as_str()), (Mark::Unknown, "Can\u{2019}t tell"));
    let KiroView { panel, places, methods, .. } = window(&named("kiro_unknown")).kiro;
    assert_eq!(panel.unwrap().mark, Mark::Unknown);
    assert!(places.iter().all(|place| place.mark == Mark::Unknown && place.text.contains("No network")), "{places:?}");
    assert!(!methods.is_empty(), "a person may know better");
}

#[test]
fn kiro_is_signed_in_by_a_code_in_its_own_view() {
    // K2
    let view = window(&named("kiro_login"));
    let login = view.kiro.login.clone().unwrap();
    assert_eq!(
        (login.code.as_deref(), login.expires_at.as_deref()),
        (Some("WDJB-MJHT"), Some("2026-05-12T10:38:20.000Z"))
    );
    assert!(
        view.kiro.panel.is_none() && view.kiro.methods.is_empty() && login.open.is_some() && login.cancel.is_some()
    );
    let elsewhere = serde_json::to_string(&json!([view.headline, view.notices, view.vitals, view.setup])).unwrap();
    assert!(!elsewhere.contains("WDJB") && !format!("{view:?}").contains("WDJB"));
    for (name, ways, over) in [
        ("kiro_login_failed", 4, true),
        ("kiro_login_expired", 4, true),
        ("needs_you_kiro", 4, false),
        ("ready", 0, false),
        ("kiro_key_missing", 0, false),
        ("kiro_missing", 0, false),
    ] {
        let kiro = window(&named(name)).kiro;
        assert_eq!((kiro.methods.len(), kiro.login.is_some()), (ways, over), "{name}");
        assert!(kiro.login.is_none_or(|login| login.code.is_none() && login.cancel.is_none()), "{name}");
    }
    // K4: the agents' own sign-in is made by the kiro-cli of their image.
    let mut own = named("kiro_missing");
    (own.kiro.mode, own.kiro.container) = (KiroMode::Own, None);
    let KiroView { methods, browser, .. } = window(&own).kiro;
    assert_eq!((methods.len(), browser), (4, false));
}

#[test]
fn who_uses_a_key_is_not_told_to_sign_in() {
    // K3, K4
    for (name, headline) in
        [("kiro_key_refused", "Kiro does not take the API key."), ("kiro_key_missing", "There is no API key for Kiro.")]
    {
        let view = window(&named(name));
        assert_eq!(named(name).headline.text, headline, "{name}");
        assert!(view.kiro.key.is_some() && view.kiro.methods.is_empty() && view.kiro.ends.is_none(), "{name}");
        let told =
            serde_json::to_string(&json!([view.kiro.panel, view.notices, view.vitals, view.containers])).unwrap();
        assert!(!told.contains("ign in") && !told.contains("igned out"), "{name}: {told}");
    }
}

#[test]
fn a_refused_sign_in_is_ended_after_a_yes_alone() {
    // K2
    let view = window(&named("kiro_not_in_containers")).kiro;
    assert!(view.ends.is_some_and(|ends| ends.text.contains("this whole computer")) && !view.methods.is_empty());
    assert_eq!(window(&named("needs_you_kiro")).kiro.ends, None, "nobody is signed in");
}

#[test]
fn modes_say_what_they_expose_and_ask_first() {
    // K4
    let modes = window(&named("kiro_own")).kiro.modes;
    assert_eq!(
        modes.iter().map(|mode| (mode.mode.as_str(), mode.on)).collect::<Vec<_>>(),
        [("shared", false), ("own", true), ("api-key", false)]
    );
    for mode in modes {
        let Act::Command { args, confirm, .. } = &mode.choose.act else { panic!("{mode:?}") };
        assert_eq!((&args["mode"], &args["yes"]), (&json!(mode.mode), &json!(true)));
        assert!(confirm.as_ref().is_some_and(|confirm| confirm.text.contains(&mode.text)), "{confirm:?}");
    }
    for (name, whom) in [("ready", "this whole computer"), ("kiro_own", "not you")] {
        let Some(Act::Command { confirm: Some(confirm), .. }) =
            window(&named(name)).kiro.sign_out.map(|button| button.act)
        else {
            panic!("{name}")
        };
        assert!(confirm.text.contains(whom), "{name}: {}", confirm.text);
    }
    assert!(window(&named("kiro_key")).kiro.sign_out.is_none());
    // Without containers there is no wall, and no sign-in but this computer's.
    let mut bare = named("ready");
    bare.runtime = Runtime::Host;
    for mode in [KiroMode::Shared, KiroMode::Own] {
        bare.kiro.mode = mode;
        let KiroView { modes, sign_out, .. } = window(&bare).kiro;
        assert!(modes.iter().all(|mode| mode.text.contains("whatever you can")), "{modes:?}");
        let Some(Act::Command { confirm: Some(confirm), .. }) = sign_out.map(|button| button.act) else {
            panic!("{mode:?}")
        };
        assert!(confirm.text.contains("this whole computer"), "{mode:?}: {}", confirm.text);
    }
}

#[test]
fn the_first_start_goes_on_where_it_stands() {
    for (name, is_first, is_open, left) in [
        ("first_start", true, true, "image whatsapp main hello"),
        ("first_start_chat", true, true, "image main hello"),
        ("first_start_hello", false, true, "hello"),
        ("first_start_troubled", false, true, "hello"),
        ("docker_down", false, false, "docker image"),
        ("needs_you_kiro", false, false, "kiro"),
        ("ready", false, false, ""),
        ("two_running_one_queued", false, false, ""),
    ] {
        let setup = window(&named(name)).setup;
        let undone = setup.steps.iter().filter(|step| !step.done && step.key != StepKey::Welcome);
        let undone: Vec<_> =
            undone.map(|step| serde_json::to_value(step.key).unwrap().as_str().unwrap().to_owned()).collect();
        assert_eq!((setup.is_first, setup.is_open, undone.join(" ").as_str()), (is_first, is_open, left), "{name}");
    }
    let mut status = named("two_running_one_queued");
    status.whatsapp.queued_out = 1;
    assert!(!window(&status).setup.steps.last().unwrap().done, "it waits for the connection");
    let mut failed = named("first_start_hello");
    failed.problems = named("troubled").problems;
    failed.problems.iter_mut().filter(|problem| problem.group.is_some()).for_each(|it| it.group = Some("main".into()));
    let hello = window(&failed).setup.steps.pop().and_then(|step| step.panel).unwrap();
    assert!(hello.mark == Mark::Note && hello.title.contains("took too long"), "{hello:?}");
    let mut paused = named("first_start_hello");
    paused.wanted = Wanted::Paused;
    let hello = window(&paused).setup.steps.pop().and_then(|step| step.panel).unwrap();
    assert_eq!(hello.button.as_ref().and_then(command).as_deref(), Some("resume"), "{hello:?}");
    let mut put_off = named("docker_down");
    put_off.answered = false;
    assert!(window(&put_off).setup.is_first, "with a chat but without Docker it is not over");
    assert_eq!(window(&named("first_start")).setup.begin.as_ref().and_then(command).as_deref(), Some("image.build"));
}

#[test]
fn the_assistant_tells_the_problems_that_no_step_of_it_tells() {
    let titles = |name| window(&named(name)).setup.notices.into_iter().map(|panel| panel.title).collect::<Vec<_>>();
    for name in ["first_start", "docker_down", "image_failed", "kiro_missing", "needs_you_kiro", "logged_out"] {
        assert!(titles(name).is_empty(), "{name}: {:?}", titles(name));
    }
    // Also the one that is the headline on other pages.
    let told = titles("first_start_troubled");
    assert!(matches!(&*told, [disk, setting] if disk.contains("disk") && setting.contains("TZ")), "{told:?}");
}

#[test]
fn each_chat_is_told_with_what_it_may() {
    // X1, T4
    let view = window(&named("ready")).chats;
    assert_eq!(view.own.as_deref(), Some("4915110000001@s.whatsapp.net"));
    let [main, family, _] = view.groups.as_slice() else { panic!("{view:?}") };
    assert!(main.is_main && main.move_main.is_none() && main.remove.is_some());
    assert!(main.trust.contains("act for all chats") && family.trust.contains("this chat alone"));
    assert_eq!((family.text.as_str(), family.usual_trigger.as_str()), ("Answers @Andy", "@Andy"));
    assert!(window(&named("working")).chats.groups[1].state.is_some());
}

#[test]
fn containers_are_started_and_stopped() {
    // T3
    let view = window(&named("working"));
    let run = &view.containers.running[0];
    let (Act::Command { command: stop, args, confirm }, Some(start)) =
        (&run.stop.act, view.containers.startable.first())
    else {
        panic!("{:?}", run.stop);
    };
    assert_eq!((stop.as_str(), &args["target"]), ("containers.stop", &Value::String(run.container.clone())));
    assert!(confirm.is_some(), "work would be lost");
    assert_eq!(command(&start.start).as_deref(), Some("containers.start"));
    assert_eq!(start.chat.folder, "main");
    assert!(view.containers.startable.iter().all(|startable| startable.chat.folder != "family"));
    let idle = &window(&named("two_running_one_queued")).containers.running[0];
    assert!(matches!(&idle.stop.act, Act::Command { confirm: None, .. }), "nothing is lost: {:?}", idle.stop);
    assert!(window(&named("quitting")).containers.running[0].stop.off);
}

#[test]
fn quit_asks_where_an_agent_is_at_work() {
    // Q6
    for (name, asks) in [("ready", false), ("working", true), ("two_running_one_queued", true), ("not_paired", false)] {
        let quit = window(&named(name)).quit;
        let Act::Desktop { action: Action::Quit { yes }, confirm } = quit.act else { panic!("{quit:?}") };
        assert_eq!((yes, confirm.is_some(), quit.off), (asks, asks, false), "{name}");
    }
    let mut warm = named("two_running_one_queued");
    warm.runs.retain(|run| run.state == RunState::Idle);
    assert!(matches!(window(&warm).quit.act, Act::Desktop { confirm: None, .. }), "only waiting for messages");
    assert!(window(&named("quitting")).quit.off);
}

#[test]
fn nothing_is_offered_or_promised_that_cant_be() {
    for name in ["paused", "docker_down", "docker_forbidden", "image_missing", "image_building", "quitting"] {
        let view = window(&named(name)).containers;
        assert!(view.startable.is_empty(), "{name}");
        assert_ne!(view.quiet.title, "All quiet", "{name}");
    }
    for (name, quiet) in [
        ("needs_you_kiro", "Andy can't answer while Kiro is signed out"),
        ("nothing_registered", "No chat is chosen yet"),
        ("ready", "All quiet"),
    ] {
        assert_eq!(window(&named(name)).containers.quiet.title, quiet);
    }
}

#[test]
fn every_command_is_one_that_can_be_asked_for() {
    for (name, status) in states::all() {
        let view = serde_json::to_value(window(&status)).unwrap();
        for (command, args) in commands(&view) {
            let parsed = crate::command::Command::parse(&command, Some(args));
            assert!(parsed.is_ok(), "{name}: {parsed:?}");
        }
    }
}

#[test]
fn strangers_names_are_one_plain_line() {
    for text in ["a\nb", "\u{202e}a\u{2066}b", "\u{1b}[31m", "  a  "] {
        let shown = clean(text);
        assert!(!shown.contains(['\n', '\u{202e}', '\u{2066}', '\u{1b}']) && shown == shown.trim(), "{shown:?}");
    }
    let view = window(&named("hostile_names"));
    assert!(view.containers.running.iter().all(|run| !run.chat.name.is_empty()));
}

fn command(button: &Button) -> Option<String> {
    match &button.act {
        Act::Command { command, .. } => Some(command.clone()),
        Act::Page { .. } | Act::Desktop { .. } => None,
    }
}

/// All commands in a view, wherever they stand.
fn commands(view: &Value) -> Vec<(String, Value)> {
    let inner: Vec<&Value> = match view {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    };
    let mut found: Vec<_> = inner.into_iter().flat_map(commands).collect();
    if view["kind"] == "command" {
        found.push((view["command"].as_str().unwrap().to_owned(), view["args"].clone()));
    }
    found
}

#[test]
fn what_ends_a_link_is_a_problem_with_its_cure_and_the_command_that_every_surface_offers() {
    // W5
    let zone = states::NOW.to_zoned(jiff::tz::TimeZone::UTC);
    for (state, code, command) in [
        ("codes_used_up", "whatsapp-not-linked", Some("pair")),
        ("logged_out", "whatsapp-logged-out", Some("pair")),
        ("signed_out", "whatsapp-signed-out", Some("pair")),
        ("replaced", "whatsapp-replaced", Some("reconnect")),
        ("banned", "whatsapp-banned", None),
        ("outdated", "whatsapp-outdated", Some("reconnect")),
        ("locked", "whatsapp-locked", Some("reconnect")),
        ("refused", "whatsapp-refused", Some("reconnect")),
        ("passkey", "whatsapp-passkey", None),
    ] {
        let status = named(state);
        let problem = status.problems.iter().find(|problem| problem.is_links()).unwrap();
        let offered = problem.command.as_ref().map(|offer| offer.command.as_str());
        assert_eq!((problem.code.as_str(), offered), (code, command));
        assert_eq!(format!("{} {}", problem.text, problem.cure), status.whatsapp.text, "{state}");
        assert_eq!(status.headline.text, status.whatsapp.text, "{state}");
        assert_eq!(status.headline.level, Level::NeedsYou, "{state}");
        // Told once: in its own place, not beside it.
        assert_eq!(window(&status).notices.len(), named("ready").problems.len(), "{state}");
        let menu = serde_json::to_string(&format!("{:?}", crate::present::tray::tray(&status, &zone).menu)).unwrap();
        assert!(!menu.contains("problem"), "{menu}");
        if command == Some("reconnect") {
            assert!(menu.contains("Reconnect"), "{state}: {menu}");
        }
    }
    for state in ["ready", "offline", "connecting", "starting", "not_paired", "pairing_code"] {
        assert!(!named(state).problems.iter().any(Problem::is_links), "{state}");
    }
}
