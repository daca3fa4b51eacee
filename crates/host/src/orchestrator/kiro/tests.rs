//! When Kiro is asked again, in a loop without an engine.

use jiff::tz::TimeZone;
use nanoclaw_core::{kiro::Whoami, settings::Settings};
use serde_json::Map;

use super::*;
use crate::{
    ipc::Ipc,
    orchestrator::start::{Edges, Left, doors},
    paths::Home,
    store::{self, Store},
};

/// A loop that asks the end that is given too.
async fn state(place: &std::path::Path) -> (State, mpsc::UnboundedReceiver<ToKiro>) {
    let home = Home::at(place.to_owned()).unwrap();
    home.create().unwrap();
    let (settings, _) = Settings::resolve(&Map::new(), |_| None, TimeZone::UTC);
    let store = Store::on(store::connect(&home.database()).unwrap()).unwrap();
    let left = Left::take(&store).await.unwrap();
    let (doors, _inputs) = doors(&settings, &store);
    let (to_channel, to_engine) = (mpsc::unbounded_channel().0, mpsc::unbounded_channel().0);
    let (to_kiro, orders) = mpsc::unbounded_channel();
    let ipc = Ipc::start(home.ipc(), Default::default(), doors.ipc).unwrap();
    let edges = Edges { to_channel, to_engine, to_kiro, ipc, accepting: doors.intake.accepting.clone() };
    (State::on(edges, home, settings, store, left).await, orders)
}

impl State {
    /// A check, begun now; in seconds, when the next is due.
    async fn looks(&mut self, host: Whoami, meanwhile: Option<FromKiro>) -> Option<i64> {
        self.check_kiro();
        self.look_after_kiro().await;
        assert!(self.kiro.checking);
        if let Some(said) = meanwhile {
            self.kiro_said(said).await;
        }
        self.kiro_said(FromKiro::Checked { host, container: None, old: None }).await;
        let wait = self.sign_in.check_at?.duration_since(now());
        Some((wait.as_millis() as i64 + 999) / 1000)
    }
}

#[tokio::test]
async fn a_sign_in_made_during_a_check_is_looked_for_again() {
    // K1
    let place = tempfile::tempdir().unwrap();
    let (mut state, _orders) = state(place.path()).await;
    let unknown = || Whoami::unknown("Can't tell.");
    assert_eq!(state.looks(unknown(), None).await, None, "no chat depends on it");
    for seconds in [2, 4, 8] {
        // Maybe the check itself writes there each time.
        assert_eq!(state.looks(unknown(), Some(FromKiro::Changed)).await, Some(seconds));
    }
    assert_eq!(state.looks(unknown(), None).await, None);
    assert_eq!(state.looks(unknown(), Some(FromKiro::Changed)).await, Some(2));
}

#[tokio::test]
async fn what_cannot_be_told_is_asked_sooner_while_work_waits() {
    // K1, K3
    let place = tempfile::tempdir().unwrap();
    let (mut state, _orders) = state(place.path()).await;
    state.kiro.parked = 1;
    for minutes in [1, 2, 4, 8, 15, 15] {
        assert_eq!(state.looks(Whoami::unknown("Can't tell."), None).await, Some(minutes * 60));
    }
    assert_eq!(state.looks(Whoami::missing(), None).await, Some(60));
    state.settings.kiro_mode = KiroMode::Own;
    assert_eq!(state.looks(Whoami::missing(), None).await, None, "the agents have their own");
}
