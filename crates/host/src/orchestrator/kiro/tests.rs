//! When Kiro is asked again, who waits for whom, and what a chat is told meanwhile: in a loop whose edges are their queues alone.

use nanoclaw_core::{
    chat::Seq,
    kiro::{SignIn, Whoami, login::Offer},
    problem::Trouble,
    queue::Event,
    status::LoginState,
};
use nanoclaw_protocol::Cause;

use super::*;
use crate::{
    orchestrator::{
        live::Stopped,
        world::{World, jid},
    },
    ports::RunEnd,
};

impl World {
    /// As the loop does after each event.
    async fn looks_after(&mut self) -> bool {
        self.state.look_after_kiro().await;
        self.state.kiro.checking
    }

    /// The answer to the check under way; in seconds, when the next is due.
    async fn told(&mut self, host: Whoami) -> Option<i64> {
        assert!(self.state.kiro.checking);
        self.state.kiro_said(FromKiro::Checked { host, container: None, old: None }).await;
        Some(self.state.sign_in.check_at?.duration_since(now()).as_secs())
    }

    /// A check, begun now; in seconds, when the next is due.
    async fn looks(&mut self, host: Whoami, meanwhile: Option<FromKiro>) -> Option<i64> {
        self.state.check_kiro();
        assert!(self.looks_after().await);
        if let Some(said) = meanwhile {
            self.state.kiro_said(said).await;
        }
        self.told(host).await
    }

    fn login(&self) -> LoginState {
        self.state.kiro.login.as_ref().unwrap().state
    }
}

fn unknown() -> Whoami {
    Whoami::unknown("Can't tell.")
}

fn signed_out() -> Whoami {
    Whoami { state: SignIn::SignedOut, ..unknown() }
}

fn signed_in() -> Whoami {
    Whoami { state: SignIn::SignedIn, account: Some("Builder ID".to_owned()), ..unknown() }
}

#[tokio::test]
async fn a_sign_in_made_during_a_check_is_looked_for_again() {
    // K1
    let mut world = World::new().await;
    assert_eq!(world.looks(unknown(), None).await, None, "no chat depends on it");
    for seconds in [2, 4, 8] {
        // Maybe the check itself writes there each time.
        assert_eq!(world.looks(unknown(), Some(FromKiro::Changed)).await, Some(seconds));
    }
    assert_eq!(world.looks(unknown(), None).await, None);
    assert_eq!(world.looks(unknown(), Some(FromKiro::Changed)).await, Some(2));
}

#[tokio::test]
async fn what_cannot_be_told_is_asked_sooner_while_work_waits() {
    // K1, K3
    let mut world = World::new().await;
    world.state.kiro.parked = 1;
    for minutes in [1, 2, 4, 8, 15, 15] {
        assert_eq!(world.looks(unknown(), None).await, Some(minutes * 60));
    }
    assert_eq!(world.looks(Whoami::missing(), None).await, Some(60));
    world.state.settings.kiro_mode = KiroMode::Own;
    assert_eq!(world.looks(Whoami::missing(), None).await, None, "the agents have their own");
}

#[tokio::test]
async fn while_chats_depend_on_it_it_is_asked_each_quarter_of_an_hour() {
    // K1
    let mut world = World::with_chats(&["main"]).await;
    assert_eq!(world.looks(signed_in(), None).await, Some(15 * 60));
    world.passes(15 * 60 - 1);
    assert!(!world.looks_after().await);
    world.passes(1);
    assert!(world.looks_after().await);

    // Also where the first chat is registered later.
    let mut world = World::new().await;
    assert_eq!(world.looks(signed_in(), None).await, None);
    world.state.take_groups(vec![Group::new(jid("main"), "main", Folder::main())]).await;
    world.passes(15 * 60);
    assert!(world.looks_after().await);
}

#[tokio::test]
async fn what_is_written_all_the_time_is_looked_at_now_and_then() {
    // K1: a person uses kiro-cli, or an agent works; neither signs out often.
    let mut world = World::with_chats(&["main"]).await;
    world.looks(signed_in(), None).await;
    for (wait, at_work) in [(30, false), (120, true)] {
        if at_work {
            world.wants("main").await;
            world.is_up("main").await;
        }
        world.passes(1);
        world.state.kiro_said(FromKiro::Changed).await;
        world.passes(wait - 2);
        assert!(!world.looks_after().await);
        world.passes(1);
        assert!(world.looks_after().await);
        world.told(signed_in()).await;
    }
    world.passes(600);
    world.state.kiro_said(FromKiro::Changed).await;
    world.passes(2);
    assert!(world.looks_after().await, "after a quiet time at once");
}

#[tokio::test]
async fn each_wait_is_told_also_where_the_last_came_to_nothing() {
    // K3
    let mut world = World::with_chats(&["main"]).await;
    world.looks(signed_in(), None).await;
    for told in [1, 2] {
        world.hears("main").await;
        world.passes(1);
        world.is_refused("main").await;
        let waits = "SELECT count(*) FROM outbox WHERE text LIKE '%I can''t answer now%'";
        let count =
            world.state.store.read(|db| Ok(db.query_row(waits, [], |row| row.get::<_, u64>(0))?)).await.unwrap();
        assert_eq!(count, told);
        assert!(world.looks_after().await);
        world.told(signed_in()).await;
        world.passes(60);
        world.state.tell_queue(Event::Tick).await;
        // A person stops what goes on.
        let run = world.run("main").unwrap();
        world.state.stop_run(&run, Stopped::Dropped(Seq::MAX));
        world.state.run_ended(run, RunEnd::Exited { code: 143, stderr: String::new() }).await.unwrap();
    }
}

#[tokio::test]
async fn a_check_and_a_start_wait_for_each_other_and_neither_for_ever() {
    // K1
    let mut world = World::with_chats(&["main", "bob", "carol", "dave"]).await;
    world.looks(signed_in(), None).await;
    world.wants("main").await;
    world.state.check_kiro();
    assert!(!world.looks_after().await, "a run is starting");
    world.wants("bob").await;
    assert!(world.run("bob").is_some(), "a check gives way");
    world.passes(10);
    assert!(!world.looks_after().await);
    world.wants("carol").await;
    assert!(world.run("carol").is_none(), "but not for ever");
    for folder in ["main", "bob"] {
        world.is_up(folder).await;
    }
    world.passes(9);
    assert!(!world.looks_after().await, "they may refresh a token still");
    world.passes(1);
    assert!(world.looks_after().await);
    world.wants("dave").await;
    assert!(world.run("carol").is_none() && world.run("dave").is_none(), "now starts wait");
    world.told(signed_in()).await;
    assert!(world.run("carol").is_some() && world.run("dave").is_some());
}

#[tokio::test]
async fn a_check_is_due_also_where_its_moment_went_by_unseen() {
    // K1
    let mut world = World::with_chats(&["main"]).await;
    world.looks(signed_out(), None).await;
    let due = |world: &World| world.state.kiro_due_at().map(|at| at.duration_since(now()).as_secs());
    assert_eq!(due(&world), Some(900));
    // Busy, or asleep, between its look and its wait.
    world.passes(3600);
    assert_eq!(due(&world), Some(900 - 3600), "at once");
    assert!(world.looks_after().await);
    assert_eq!(due(&world), None, "while it is under way its end is waited for");
}

#[tokio::test]
async fn a_sign_in_counts_when_a_check_after_it_says_so() {
    // K2
    let mut world = World::with_chats(&["main", "bob"]).await;
    world.looks(signed_out(), None).await;
    world.state.kiro_login(None, false, false).await.unwrap();
    world.state.check_kiro();
    world.passes(60);
    assert!(!world.looks_after().await, "not while somebody signs in");
    world.wants("main").await;
    assert!(world.run("main").is_some(), "and that check holds nothing up");
    world.state.kiro_said(FromKiro::LoginEnded { id: 1, said: Failure::Silent }).await;
    assert!(!world.looks_after().await, "a run is starting");
    assert_eq!(world.login(), LoginState::Waiting);
    world.is_up("main").await;
    world.passes(10);
    assert!(world.looks_after().await);
    world.told(signed_in()).await;
    assert_eq!(world.login(), LoginState::Succeeded);

    // With that sign-in nobody else is signed in, unless agents are refused with it: then a person is asked first.
    let refused = world.state.kiro_login(None, false, true).await;
    assert!(matches!(refused, Err(Trouble::KiroSignedIn { .. })), "{refused:?}");
    world.hears("bob").await;
    world.is_refused("bob").await;
    let asked = world.state.kiro_login(None, false, false).await;
    assert!(matches!(&asked, Err(Trouble::NeedsYes { what }) if what.contains("your own terminals")), "{asked:?}");
    world.state.kiro_login(None, false, true).await.unwrap();
    let anew = std::iter::from_fn(|| world.orders.try_recv().ok())
        .filter_map(|order| match order {
            ToKiro::Login { anew, .. } => Some(anew),
            _ => None,
        })
        .collect::<Vec<_>>();
    assert_eq!(anew, [false, true]);
}

#[tokio::test]
async fn what_still_comes_of_a_cancelled_sign_in_ends_no_other() {
    // K2
    let mut world = World::with_chats(&["main"]).await;
    world.looks(signed_out(), None).await;
    world.state.kiro_login(None, false, false).await.unwrap();
    world.state.kiro_login_cancel().unwrap();
    world.state.kiro_login(None, false, false).await.unwrap();
    let offer = Offer { code: Some("ABCD-EFGH".to_owned()), url: None };
    world.state.kiro_said(FromKiro::Offered { id: 1, offer: offer.clone() }).await;
    world.state.kiro_said(FromKiro::LoginRefused { id: 1, trouble: Trouble::KiroMissing }).await;
    world.state.kiro_said(FromKiro::LoginEnded { id: 1, said: Failure::Expired }).await;
    assert_eq!(world.login(), LoginState::Starting);
    world.state.kiro_said(FromKiro::Offered { id: 2, offer }).await;
    assert_eq!(world.login(), LoginState::Waiting);
    // One that is cancelled while it is confirmed stays so.
    world.state.kiro_said(FromKiro::LoginEnded { id: 2, said: Failure::Silent }).await;
    assert!(world.looks_after().await);
    world.state.kiro_login_cancel().unwrap();
    world.told(signed_in()).await;
    assert_eq!(world.login(), LoginState::Cancelled);
}

#[tokio::test]
async fn a_sign_in_that_is_begun_while_another_is_signed_out_goes_on() {
    // K2
    let mut world = World::with_chats(&["main"]).await;
    world.looks(signed_out(), None).await;
    world.state.kiro_login(None, false, false).await.unwrap();
    let (asker, mut answer) = tokio::sync::oneshot::channel();
    world.state.kiro_said(FromKiro::LoggedOut { done: Ok(()), asker }).await;
    assert_eq!(world.login(), LoginState::Starting);
    assert!(answer.try_recv().is_ok(), "it waits for nobody's sign-in");
    world.passes(60);
    assert!(!world.looks_after().await, "no check beside it");
}

#[tokio::test]
async fn another_sign_in_is_seen_though_agents_are_at_work() {
    // K1, K3
    let mut world = World::with_chats(&["main", "bob"]).await;
    world.looks(signed_in(), None).await;
    world.wants("main").await;
    world.is_up("main").await;
    world.state.kiro_said(FromKiro::Changed).await;
    world.passes(60);
    assert!(!world.looks_after().await, "an agent writes there, and all is well");
    // Though somebody is signed in bob's agent is refused, ever again.
    world.hears("bob").await;
    for wait in [5, 10, 20, 40, 80] {
        world.is_refused("bob").await;
        assert!(world.looks_after().await);
        world.told(signed_in()).await;
        world.passes(wait);
        world.state.tell_queue(Event::Tick).await;
    }
    world.is_refused("bob").await;
    assert!(world.looks_after().await);
    world.told(signed_in()).await;
    // The next try would be in a quarter of an hour; a person signs in anew.
    world.passes(60);
    world.state.kiro_said(FromKiro::Changed).await;
    world.passes(2);
    assert!(world.looks_after().await && world.run("bob").is_none());
    world.told(signed_in()).await;
    assert!(world.run("bob").is_some(), "it goes on");
    // What agents write is no reason to ask all the time.
    world.passes(20);
    world.is_refused("bob").await;
    assert!(world.looks_after().await);
    world.told(signed_in()).await;
    world.passes(11);
    world.state.kiro_said(FromKiro::Changed).await;
    world.passes(18);
    assert!(!world.looks_after().await);
    world.passes(1);
    assert!(world.looks_after().await);
}

#[tokio::test]
async fn who_uses_a_key_is_told_of_the_key() {
    // K3, K4
    let mut world = World::with_chats(&["main", "bob"]).await;
    world.state.settings.kiro_mode = KiroMode::ApiKey;
    world.state.kiro.mode = KiroMode::ApiKey;
    world.looks(signed_out(), None).await;
    world.hears("bob").await;
    assert!(world.run("bob").is_none(), "without a key nothing is tried");
    let waits = |wrong: &str| {
        format!("Andy: I can't answer now: {wrong} on the computer that I run on. Your messages wait until then.")
    };
    assert_eq!(world.says().await, [waits("There is no API key for Kiro. Give one")]);
    let headline = world.state.facts().status(now()).headline.text;
    assert_ne!(headline, "Kiro is signed out.");

    let key = |key: &str| FromKiro::Key { key: Some(Secret(key.to_owned())), trouble: None, asker: None };
    world.state.kiro_said(key("ksk-1")).await;
    assert!(world.looks_after().await);
    let seen = |host: Whoami| FromKiro::Checked { host: unknown(), container: Some(host), old: None };
    world.state.kiro_said(seen(signed_in())).await;
    assert!(world.run("bob").is_some());
    world.state.count_parked().await.unwrap();
    world.hears("main").await;
    world.is_refused("main").await;
    let told = world.says().await;
    assert!(told.contains(&waits("Kiro does not take the API key. Give another one")), "{told:?}");
    assert!(told.iter().all(|text| !text.contains("ign in")), "{told:?}");
    let status = world.state.facts().status(now());
    assert!(status.problems.iter().any(|problem| problem.code == "kiro-key-refused"), "{:?}", status.problems);
}

#[tokio::test]
async fn a_key_is_waited_for_only_where_it_is_used() {
    // K4
    let mut world = World::with_chats(&["main", "bob"]).await;
    world.looks(signed_in(), None).await;
    world.state.kiro_mode(KiroMode::ApiKey, true).await.unwrap();
    world.wants("main").await;
    assert!(world.run("main").is_none(), "its key is being read");
    world.state.kiro_mode(KiroMode::Shared, true).await.unwrap();
    assert!(world.run("main").is_some());

    // What this computer's kiro-cli writes says nothing of a key.
    let watched = |world: &mut World| {
        std::iter::from_fn(|| world.orders.try_recv().ok())
            .filter_map(|order| match order {
                ToKiro::Check(check) => Some(check.data.is_some()),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(watched(&mut world), [true]);
    world.state.kiro_mode(KiroMode::ApiKey, true).await.unwrap();
    world.state.kiro_said(FromKiro::Key { key: None, trouble: None, asker: None }).await;
    world.passes(60);
    assert!(world.looks_after().await);
    assert_eq!(watched(&mut world), [false]);
}

#[tokio::test]
async fn a_key_store_that_opens_late_is_read_again_where_somebody_waits() {
    // K4
    let mut world = World::with_chats(&["main"]).await;
    world.state.kiro_mode(KiroMode::ApiKey, true).await.unwrap();
    let locked = || Some(Trouble::NoKeyStore { reason: "it is locked.".to_owned() });
    let said =
        |key: Option<&str>, trouble| FromKiro::Key { key: key.map(|key| Secret(key.to_owned())), trouble, asker: None };
    let reads = |world: &mut World| {
        std::iter::from_fn(|| world.orders.try_recv().ok()).filter(|order| matches!(order, ToKiro::ReadKey)).count()
    };
    world.state.kiro_said(said(None, locked())).await;
    reads(&mut world);
    world.looks(signed_out(), None).await;
    assert_eq!(reads(&mut world), 0, "a store may ask its user");
    world.hears("main").await;
    world.state.count_parked().await.unwrap();
    world.looks(signed_out(), None).await;
    assert_eq!(reads(&mut world), 1);
    // Still locked: nothing is new, and nothing begins again by itself.
    world.state.kiro_said(said(None, locked())).await;
    assert!(!world.looks_after().await);
    world.state.kiro_said(said(Some("ksk-1"), None)).await;
    assert!(world.looks_after().await && world.state.kiro.has_key);
    // What was read stays known where the store is locked later; a person who asks has it read first.
    world.state.kiro_said(said(None, locked())).await;
    assert!(world.state.kiro.has_key && world.state.secrets().len() == 1);
    world.told(signed_in()).await;
    reads(&mut world);
    let (reply, _answer) = tokio::sync::oneshot::channel();
    world.state.kiro_asked(Ask { command: Command::KiroCheck {}, reply }).await;
    assert_eq!(reads(&mut world), 1);
    assert!(!world.looks_after().await, "the key is waited for");
    world.state.kiro_said(said(Some("ksk-1"), None)).await;
    assert!(world.looks_after().await);
}

#[tokio::test]
async fn an_answer_ends_what_was_wrong_with_the_sign_in_before() {
    // K3
    let mut world = World::with_chats(&["main"]).await;
    world.state.kiro_refused(Cause::Expired);
    // An agent has answered; later somebody signs out.
    world.state.kiro_signed_in().await;
    world.looks(signed_out(), None).await;
    world.hears("main").await;
    let told = world.says().await;
    assert!(told.iter().any(|text| text.contains("Kiro is signed out.")), "{told:?}");
}

#[tokio::test]
async fn what_waited_longest_is_first_after_a_restart() {
    // C3, K3
    let mut world = World::with_chats(&["main", "bob", "carol"]).await;
    world.state.tell_queue(Event::EngineReady(false)).await;
    for folder in ["carol", "main", "bob"] {
        world.hears(folder).await;
        world.passes(1);
    }
    world.state.queue = nanoclaw_core::queue::Queue::new(1);
    world.state.begin().await;
    world.looks(signed_out(), None).await;
    world.state.tell_ready().await;
    let waiting = world.state.queue.waiting();
    assert_eq!(waiting.iter().map(|one| one.folder.as_str()).collect::<Vec<_>>(), ["carol", "main", "bob"]);
    world.looks(signed_in(), None).await;
    assert!(world.run("carol").is_some(), "{waiting:?}");
}
