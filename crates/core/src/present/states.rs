//! The named states of NanoClaw that surfaces are tested and drawn with: what the host would tell in each.
//!
//! Each is folded from facts by [`Facts::status`], as in the running app. Used by the tests of tray, notifications and
//! window, never by the app (feature `states`).

use jiff::{SignedDuration, Timestamp};

use crate::{
    chat::Jid,
    failure::Failure,
    group::{Folder, Group},
    image::{Build, BuildFailure},
    kiro::{Method, SignIn, Way, Whoami},
    link::{Link, PairingCode, QrCode},
    mounts::{Mount, Owner},
    problem::Trouble,
    settings::{KiroMode, Runtime},
    status::{
        AppStatus, BuildProgress, EngineState, EngineStatus, Facts, ImageState, ImageStatus, KiroStatus, LoginState,
        LoginStatus, NextTask, QueueStatus, RunKind, RunState, RunStatus, SchedulerState, SchedulerStatus,
        SignInStatus, Wanted,
    },
};

/// The moment that all states are of: 2026-05-12, a Tuesday, 10:30 UTC.
pub const NOW: Timestamp = Timestamp::constant(1_778_581_800, 0);

/// All states by name, each as the host would publish it at [`NOW`].
pub fn all() -> Vec<(&'static str, AppStatus)> {
    facts().into_iter().map(|(name, facts)| (name, facts.status(NOW))).collect()
}

/// One state by its name.
///
/// # Panics
/// When no state has that name.
#[allow(clippy::panic, reason = "only tests name states")]
pub fn named(name: &str) -> AppStatus {
    match all().into_iter().find(|(known, _)| *known == name) {
        Some((_, status)) => status,
        None => panic!("no state is called {name}"),
    }
}

fn facts() -> Vec<(&'static str, Facts)> {
    let with = |change: fn(&mut Facts)| {
        let mut facts = ready();
        change(&mut facts);
        facts
    };
    vec![
        ("not_paired", with(|facts| facts.link = Link::Pairing { qr: Some(qr()), code: None })),
        ("pairing_code", with(|facts| facts.link = Link::Pairing { qr: None, code: Some(code()) })),
        ("codes_used_up", with(|facts| facts.link = Link::Pairing { qr: None, code: None })),
        ("starting", with(starting)),
        ("connecting", with(|facts| facts.link = Link::Connecting)),
        ("ready", ready()),
        ("working", with(working)),
        ("two_running_one_queued", with(two_running_one_queued)),
        ("needs_you_kiro", with(needs_you_kiro)),
        ("kiro_unknown", with(|facts| kiro(facts, Whoami::unknown("Can't tell: no network.")))),
        ("kiro_login", with(|facts| kiro_login(facts, LoginState::Waiting, "Waiting."))),
        ("kiro_asking", with(|facts| kiro_login(facts, LoginState::Starting, "Starting."))),
        ("kiro_login_failed", with(|facts| kiro_login(facts, LoginState::Failed, "Kiro could not be reached."))),
        ("kiro_login_expired", with(|facts| kiro_login(facts, LoginState::Expired, "The code ran out."))),
        ("kiro_not_in_containers", with(kiro_not_in_containers)),
        ("kiro_missing", with(|facts| kiro(facts, Whoami::missing()))),
        ("kiro_own", with(kiro_own)),
        ("kiro_key_missing", with(|facts| facts.kiro.mode = KiroMode::ApiKey)),
        ("kiro_key", with(kiro_key)),
        ("kiro_key_refused", with(kiro_key_refused)),
        ("first_start", with(first_start)),
        ("first_start_chat", with(first_start_chat)),
        ("first_start_hello", with(first_start_hello)),
        ("first_start_troubled", with(first_start_troubled)),
        ("docker_down", with(docker_down)),
        ("docker_forbidden", with(docker_forbidden)),
        ("image_missing", with(|facts| facts.engine.image = image(ImageState::Missing))),
        ("image_building", with(image_building)),
        ("image_failed", with(image_failed)),
        ("image_stale", with(|facts| facts.engine.image = image(ImageState::Stale))),
        ("image_rebuilding", with(image_rebuilding)),
        ("image_not_rebuilt", with(image_not_rebuilt)),
        ("logged_out", with(|facts| facts.link = Link::LoggedOut)),
        ("signed_out", with(|facts| facts.link = Link::SignedOut { told: false })),
        ("replaced", with(|facts| facts.link = Link::Replaced)),
        ("banned", with(|facts| facts.link = Link::Banned { until: Some(NOW + SignedDuration::from_hours(26)) })),
        ("outdated", with(|facts| facts.link = Link::Outdated)),
        ("locked", with(|facts| facts.link = Link::Locked)),
        ("refused", with(|facts| facts.link = Link::Refused { code: 405 })),
        ("passkey", with(|facts| facts.link = Link::Passkey)),
        ("offline", with(offline)),
        ("paused", with(|facts| facts.wanted = Wanted::Paused)),
        ("paused_needs_you", with(paused_needs_you)),
        ("quitting", with(quitting)),
        ("nothing_registered", with(nothing_registered)),
        ("troubled", with(troubled)),
        ("without_containers", with(|facts| facts.runtime = Runtime::Host)),
        ("hostile_names", with(hostile_names)),
        ("many", with(many)),
    ]
}

/// Linked, signed in, the engine there, two tasks planned, nothing to do.
fn ready() -> Facts {
    Facts {
        version: "0.1.0".to_owned(),
        assistant: "Andy".to_owned(),
        zone: Some("Europe/Berlin".to_owned()),
        wanted: Wanted::Running,
        runtime: Runtime::Docker,
        link: Link::Connected { jid: "4915110000001@s.whatsapp.net".to_owned(), push_name: "Maya".to_owned() },
        queued_out: 0,
        failed_out: 0,
        answered: true,
        kiro: KiroStatus {
            host: sign_in(signed_in()),
            container: Some(sign_in(signed_in())),
            usual: Some(Way::of(Method::BuilderId)),
            ..KiroStatus::new(KiroMode::Shared)
        },
        engine: EngineStatus {
            state: EngineState::Ready,
            name: Some("Docker".to_owned()),
            version: Some("29.0.1".to_owned()),
            socket: Some("/var/run/docker.sock".to_owned()),
            image: image(ImageState::Ready),
        },
        can_start_engine: false,
        image: "nanoclaw-agent:latest".to_owned(),
        build: Build::None,
        runs: Vec::new(),
        queue: Vec::new(),
        groups: vec![
            group("4915110000001@s.whatsapp.net", "You and Andy", "main"),
            group("120363000000000001@g.us", "Family 👨‍👩‍👧‍👦", "family"),
            Group { timeout: Some(90 * 60_000), ..group("120363000000000002@g.us", "Ops on call", "ops") },
        ],
        scheduler: SchedulerStatus {
            state: SchedulerState::Running,
            next: Some(NextTask {
                task_id: "task-1".to_owned(),
                group: "main".to_owned(),
                at: NOW + SignedDuration::from_mins(150),
            }),
        },
        autostart: Some(true),
        troubles: Vec::new(),
    }
}

fn starting(facts: &mut Facts) {
    facts.link = Link::Starting;
    facts.kiro = KiroStatus::new(KiroMode::Shared);
    facts.engine = EngineStatus {
        state: EngineState::Starting,
        name: None,
        version: None,
        socket: None,
        image: image(ImageState::Missing),
    };
    facts.scheduler.next = None;
    facts.autostart = None;
}

fn working(facts: &mut Facts) {
    facts.runs = vec![run(facts, "family", RunKind::Messages, RunState::Working, 14)];
}

/// The cap is two; a kept-warm one waits for follow-ups.
fn two_running_one_queued(facts: &mut Facts) {
    facts.runs = vec![
        run(facts, "main", RunKind::KeptWarm, RunState::Idle, 372),
        run(facts, "family", RunKind::Task, RunState::Working, 14_400 + 24 * 60),
    ];
    facts.queue =
        vec![QueueStatus { retry_at: Some(NOW + SignedDuration::from_secs(9)), attempt: 2, ..queued("ops", 1) }];
}

fn needs_you_kiro(facts: &mut Facts) {
    kiro(facts, Whoami { state: SignIn::SignedOut, account: None, text: "Signed out.".to_owned(), way: None });
    facts.queue = ["main", "ops"].map(|folder| QueueStatus { parked: true, ..queued(folder, 1) }).into();
    facts.kiro.parked = 2;
}

fn kiro_login(facts: &mut Facts, state: LoginState, text: &str) {
    needs_you_kiro(facts);
    facts.kiro.parked = 2;
    let waiting = state == LoginState::Waiting;
    facts.kiro.login = Some(LoginStatus {
        state,
        url: waiting.then(|| "https://view.awsapps.com/start/#/device?user_code=WDJB-MJHT".to_owned()),
        code: waiting.then(|| "WDJB-MJHT".to_owned()),
        text: text.to_owned(),
        expires_at: waiting.then(|| NOW + SignedDuration::from_secs(500)),
    });
}

fn kiro_not_in_containers(facts: &mut Facts) {
    needs_you_kiro(facts);
    facts.kiro.host = sign_in(signed_in());
}

fn kiro_own(facts: &mut Facts) {
    facts.kiro.mode = KiroMode::Own;
    facts.kiro.container = Some(facts.kiro.host.clone());
    facts.kiro.host =
        sign_in(Whoami { state: SignIn::SignedOut, account: None, text: "Signed out.".to_owned(), way: None });
}

fn kiro_key(facts: &mut Facts) {
    facts.kiro.mode = KiroMode::ApiKey;
    facts.kiro.has_key = true;
    let account = Some("API key".to_owned());
    facts.kiro.container = Some(sign_in(Whoami { account, way: None, ..signed_in() }));
}

fn kiro_key_refused(facts: &mut Facts) {
    needs_you_kiro(facts);
    facts.kiro.container = Some(facts.kiro.host.clone());
    (facts.kiro.mode, facts.kiro.has_key) = (KiroMode::ApiKey, true);
}

/// A fresh install, with Docker and Kiro ready.
fn first_start(facts: &mut Facts) {
    nothing_registered(facts);
    facts.link = Link::Pairing { qr: Some(qr()), code: None };
    facts.engine.image = image(ImageState::Missing);
    facts.kiro.container = None;
}

fn first_start_chat(facts: &mut Facts) {
    nothing_registered(facts);
    facts.engine.image = image(ImageState::Missing);
    facts.build = Build::Running(Some(BuildProgress { step: 15, of: 26, text: "fetching kiro-cli".to_owned() }));
}

fn first_start_hello(facts: &mut Facts) {
    facts.groups.truncate(1);
    facts.answered = false;
}

/// Things go wrong that are no step of the assistant's.
fn first_start_troubled(facts: &mut Facts) {
    first_start_hello(facts);
    let zone = Trouble::BadSetting {
        key: "TZ".to_owned(),
        value: "Mars/Olympus".to_owned(),
        allowed: "a time zone such as Europe/Berlin".to_owned(),
        used: "the system's".to_owned(),
    };
    facts.troubles = vec![Trouble::DiskFull, zone];
}

fn docker_down(facts: &mut Facts) {
    facts.engine = EngineStatus {
        state: EngineState::Absent,
        name: None,
        version: None,
        socket: None,
        image: ImageStatus::default(),
    };
    facts.can_start_engine = true;
    facts.queue = vec![queued("family", 1)];
}

fn docker_forbidden(facts: &mut Facts) {
    docker_down(facts);
    facts.engine.state = EngineState::Forbidden;
}

fn image_building(facts: &mut Facts) {
    facts.engine.image = image(ImageState::Missing);
    facts.build = Build::Running(Some(BuildProgress { step: 15, of: 26, text: "fetching kiro-cli".to_owned() }));
    facts.queue = vec![queued("family", 1)];
}

fn image_failed(facts: &mut Facts) {
    facts.engine.image = image(ImageState::Missing);
    let said = "curl: (6) Could not resolve host: prod.download.cli.kiro.dev".to_owned();
    facts.build = Build::Failed(BuildFailure::Network { said });
    facts.queue = vec![queued("family", 1)];
}

/// The old image goes on serving.
fn image_rebuilding(facts: &mut Facts) {
    working(facts);
    facts.engine.image = image(ImageState::Stale);
    facts.build = Build::Running(None);
}

fn image_not_rebuilt(facts: &mut Facts) {
    facts.engine.image = image(ImageState::Stale);
    facts.build = Build::Failed(BuildFailure::DiskFull);
}

fn offline(facts: &mut Facts) {
    facts.link = Link::Offline { retry_at: Some(NOW + SignedDuration::from_secs(14)) };
    facts.queued_out = 2;
    facts.runs = vec![run(facts, "family", RunKind::Messages, RunState::Starting, 2)];
}

fn paused_needs_you(facts: &mut Facts) {
    facts.wanted = Wanted::Paused;
    facts.link = Link::LoggedOut;
    facts.scheduler.state = SchedulerState::Paused;
}

fn quitting(facts: &mut Facts) {
    facts.wanted = Wanted::Quitting;
    facts.scheduler.state = SchedulerState::Stopped;
    facts.runs = vec![run(facts, "ops", RunKind::Messages, RunState::Stopping, 80)];
}

fn nothing_registered(facts: &mut Facts) {
    facts.groups.clear();
    facts.answered = false;
    facts.scheduler.next = None;
    facts.autostart = Some(false);
}

/// All goes on, and three things want to be looked at.
#[allow(clippy::expect_used, reason = "the folder here is good")]
fn troubled(facts: &mut Facts) {
    facts.failed_out = 1;
    facts.scheduler.next =
        facts.scheduler.next.take().map(|next| NextTask { at: NOW + SignedDuration::from_hours(16), ..next });
    facts.troubles = vec![
        Trouble::BadSetting {
            key: "MAX_CONCURRENT_CONTAINERS".to_owned(),
            value: "many".to_owned(),
            allowed: "a whole number from 1 to 1000 (containers)".to_owned(),
            used: "5".to_owned(),
        },
        Trouble::RunFailed {
            folder: folder("ops"),
            chat: "Ops on call".to_owned(),
            failure: Failure::new("it took too long."),
        },
        Trouble::SendFailed {
            jid: Jid::new("120363000000000001@g.us"),
            chat: "Family 👨‍👩‍👧‍👦".to_owned(),
            reason: "the chat is gone.".to_owned(),
        },
    ];
}

/// What people call their chats to break menus, pages and logs.
fn hostile_names(facts: &mut Facts) {
    facts.link = Link::Connected {
        jid: "4915110000001@s.whatsapp.net".to_owned(),
        push_name: "\u{202e}ayaM\u{0}\u{1b}[31m<b>&amp;".to_owned(),
    };
    facts.groups = vec![
        group("120363000000000003@g.us", "evil\nWhatsApp: connected", "lines"),
        group("120363000000000004@g.us", "\u{202e}rtl\u{2066} and & _under_ && <script>alert(1)</script>", "marks"),
        group("120363000000000005@g.us", &"👨‍👩‍👧‍👦".repeat(40), "families"),
        group("120363000000000006@g.us", &format!("z{}", "\u{301}".repeat(300)), "zalgo"),
        group("120363000000000007@g.us", " \u{200f}\t ", "empty"),
        group("120363000000000008@g.us", "مجموعة العائلة", "arabic"),
    ];
    facts.runs = vec![
        run(facts, "lines", RunKind::Messages, RunState::Working, 61),
        run(facts, "marks", RunKind::Messages, RunState::Idle, 61),
        run(facts, "gone", RunKind::Messages, RunState::Working, 61),
    ];
}

/// More of everything than fits a menu.
fn many(facts: &mut Facts) {
    facts.groups = (1..=200)
        .map(|n| group(&format!("1203630000{n:08}@g.us"), &format!("Group {n}"), &format!("group-{n}")))
        .collect();
    facts.runs = (1..=24)
        .map(|n| run(facts, &format!("group-{n}"), RunKind::Messages, RunState::Working, 60 * i64::from(n)))
        .collect();
    facts.queue = (25..=60).map(|n| queued(&format!("group-{n}"), 2)).collect();
    facts.scheduler.next =
        facts.scheduler.next.take().map(|next| NextTask { at: NOW + SignedDuration::from_hours(76), ..next });
}

fn signed_in() -> Whoami {
    Whoami {
        state: SignIn::SignedIn,
        account: Some("Builder ID, maya@example.org".to_owned()),
        text: "Signed in (Builder ID, maya@example.org).".to_owned(),
        way: Some(Way::of(Method::BuilderId)),
    }
}

/// The same on the host and in containers.
fn kiro(facts: &mut Facts, whoami: Whoami) {
    facts.kiro.host = sign_in(whoami);
    facts.kiro.container = Some(facts.kiro.host.clone());
}

fn sign_in(whoami: Whoami) -> SignInStatus {
    SignInStatus::new(whoami, NOW - SignedDuration::from_mins(3))
}

fn image(state: ImageState) -> ImageStatus {
    let id = (state != ImageState::Missing).then(|| "sha256:0a1b2c3d4e5f".to_owned());
    let created_at = id.as_ref().map(|_| NOW - SignedDuration::from_hours(75));
    ImageStatus { state, id, created_at, ..ImageStatus::default() }
}

#[allow(clippy::expect_used, reason = "the folders here are good")]
fn folder(name: &str) -> Folder {
    Folder::new(name).expect("a folder")
}

fn group(jid: &str, name: &str, folder: &str) -> Group {
    let requires_trigger = folder != "main";
    Group { requires_trigger, ..Group::new(Jid::new(jid), name, self::folder(folder)) }
}

fn run(facts: &Facts, folder: &str, kind: RunKind, state: RunState, seconds: i64) -> RunStatus {
    let chat = facts.groups.iter().find(|group| group.folder.as_str() == folder).map(|group| group.jid.clone());
    let started_at = NOW - SignedDuration::from_secs(seconds);
    let id = format!("{folder}-{}", started_at.as_millisecond());
    RunStatus {
        container: format!("nanoclaw-{id}"),
        id,
        group: folder.to_owned(),
        chat: chat.unwrap_or_else(|| Jid::new("120363000000000099@g.us")),
        kind,
        about: match kind {
            RunKind::Messages => {
                Some("@Andy what do we still need for the weekend, and who brings the tent?".to_owned())
            }
            RunKind::Task => Some("Read yesterday\u{2019}s messages and list what is still open".to_owned()),
            RunKind::KeptWarm => None,
        },
        state,
        started_at,
        last_result_at: (state == RunState::Idle).then(|| NOW - SignedDuration::from_secs(30)),
        memory_bytes: (kind != RunKind::Task).then_some(148_400_000),
        cpu_percent: (kind == RunKind::Messages).then_some(12.4),
        mounts: [("groups", "/workspace/group", false), ("ipc", "/workspace/ipc", false)]
            .map(|(host, container, read_only)| Mount {
                host: format!("/home/maya/.local/share/com.nanoclaw/{host}/{folder}").into(),
                container: container.to_owned(),
                read_only,
                owner: Owner::Home,
            })
            .into_iter()
            .chain([Mount {
                host: "/home/maya/.kiro".into(),
                container: "/home/node/.kiro".to_owned(),
                read_only: folder != "main",
                owner: Owner::Host,
            }])
            .collect(),
    }
}

fn queued(folder: &str, messages: u64) -> QueueStatus {
    QueueStatus { group: folder.to_owned(), messages, tasks: 0, parked: false, retry_at: None, attempt: 0 }
}

fn qr() -> QrCode {
    QrCode {
        // As long as WhatsApp's own: three keys and a secret.
        data: format!("2@{0},{0},{0},{0}", "not/a/real+code/but/as/long/as/one+not/a/real=="),
        svg: r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 29 29"><path d="M4 4h7v7h-7zM18 4h7v7h-7zM4 18h7v7h-7z"/></svg>"#
            .to_owned(),
        expires_at: NOW + SignedDuration::from_secs(42),
    }
}

fn code() -> PairingCode {
    PairingCode {
        code: "ABCD1234".to_owned(),
        phone: "+4915110000001".to_owned(),
        expires_at: NOW + SignedDuration::from_secs(140),
    }
}
