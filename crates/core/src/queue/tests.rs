//! The queue as stories (Q1–Q7), and as a property: whatever happens in whatever order, its promises hold.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn folder(name: &str) -> Folder {
    Folder::new(name).unwrap()
}

fn ready(cap: usize) -> Queue {
    let mut queue = Queue::new(cap);
    assert_eq!(queue.handle(Event::EngineReady(true), at(0)), []);
    queue
}

/// Effects in short: `start main messages`, `pipe main`, `close main`, `give up main`.
fn told(effects: Vec<Effect>) -> Vec<String> {
    let group = |run: &str| run.rsplit_once('-').unwrap().0.to_owned();
    effects
        .into_iter()
        .map(|effect| match effect {
            Effect::Start { folder, work: Work::Messages, .. } => format!("start {folder} messages"),
            Effect::Start { folder, work: Work::Task(task), .. } => format!("start {folder} task {task}"),
            Effect::Start { folder, work: Work::KeepWarm, .. } => format!("start {folder} warm"),
            Effect::Pipe { folder, .. } => format!("pipe {folder}"),
            Effect::Close(run) => format!("close {}", group(&run)),
            Effect::GiveUp(folder) => format!("give up {folder}"),
            Effect::Park(folder) => format!("park {folder}"),
        })
        .collect()
}

const PARKED: Outcome = Outcome::Failed(Fate::Park);

impl Queue {
    fn tell(&mut self, event: Event, seconds: i64) -> Vec<String> {
        told(self.handle(event, at(seconds)))
    }
    fn run(&self, name: &str) -> RunId {
        self.run_of(&folder(name)).unwrap().clone()
    }
    fn message(&mut self, name: &str, seconds: i64) -> Vec<String> {
        self.tell(Event::Message(folder(name)), seconds)
    }
    fn idle(&mut self, name: &str, seconds: i64) -> Vec<String> {
        self.tell(Event::Idle(self.run(name)), seconds)
    }
    fn end(&mut self, name: &str, outcome: Outcome, more: bool, seconds: i64) -> Vec<String> {
        self.tell(Event::Ended { run: self.run(name), outcome, more }, seconds)
    }
    fn done(&mut self, name: &str, seconds: i64) -> Vec<String> {
        self.end(name, Outcome::Done, false, seconds)
    }
}

#[test]
fn one_run_a_group_and_follow_ups_are_piped() {
    // Q1, Q5
    let mut queue = ready(5);
    assert_eq!(queue.message("main", 1), ["start main messages"]);
    assert_eq!(queue.message("main", 2), ["pipe main"]);
    assert_eq!(queue.idle("main", 3), [""; 0]);
    assert_eq!(queue.message("main", 4), ["pipe main"]);
    assert_eq!(queue.done("main", 5), [""; 0]);
    assert_eq!(queue.message("main", 6), ["start main messages"]);
}

#[test]
fn a_message_that_came_while_the_run_ended_is_not_lost() {
    // Q1, C1
    let mut queue = ready(5);
    queue.message("main", 1);
    assert_eq!(queue.end("main", Outcome::Done, true, 2), ["start main messages"]);
}

#[test]
fn at_most_the_cap_and_served_in_order() {
    // Q2
    let mut queue = ready(2);
    assert_eq!(queue.message("a", 1), ["start a messages"]);
    assert_eq!(queue.message("b", 2), ["start b messages"]);
    assert_eq!(queue.message("c", 3), [""; 0]);
    assert_eq!(queue.message("d", 4), [""; 0]);
    assert_eq!(queue.waiting().iter().map(|w| w.folder.as_str().to_owned()).collect::<Vec<_>>(), ["c", "d"]);
    assert_eq!(queue.done("b", 5), ["start c messages"]);
    assert_eq!(queue.done("a", 6), ["start d messages"]);
}

#[test]
fn the_longest_idle_run_gives_way_at_the_cap() {
    // Q2
    let mut queue = ready(2);
    queue.message("a", 1);
    queue.message("b", 1);
    queue.idle("b", 2);
    queue.idle("a", 3);
    assert_eq!(queue.message("c", 4), ["close b"]);
    assert_eq!(queue.message("b", 5), [""; 0], "b is closing, so its message waits");
    assert_eq!(queue.done("b", 6), ["start c messages", "close a"]);
    assert_eq!(queue.done("a", 7), ["start b messages"]);
}

#[test]
fn a_kept_warm_run_counts_takes_messages_and_gives_way() {
    // Q2, R3, T3
    let mut queue = ready(1);
    assert_eq!(queue.tell(Event::KeepWarm(folder("a")), 1), ["start a warm"]);
    assert_eq!(queue.message("a", 2), ["pipe a"]);
    queue.idle("a", 3);
    assert_eq!(queue.message("b", 4), ["close a"]);
}

#[test]
fn tasks_go_first_once_and_close_their_groups_idle_run() {
    // Q2, Q3
    let mut queue = ready(5);
    queue.message("main", 1);
    assert_eq!(queue.tell(Event::Task(folder("main"), "t1".into()), 2), [""; 0]);
    assert_eq!(queue.tell(Event::Task(folder("main"), "t1".into()), 2), [""; 0]);
    assert_eq!(queue.idle("main", 3), ["close main"]);
    assert_eq!(queue.message("main", 4), [""; 0], "a closing run takes no messages");
    assert_eq!(queue.done("main", 5), ["start main task t1"]);
    assert_eq!(queue.message("main", 6), [""; 0], "S6: a task's run takes no follow-ups");
    assert_eq!(queue.tell(Event::Task(folder("main"), "t1".into()), 6), [""; 0], "it runs already");
    assert_eq!(queue.done("main", 7), ["start main messages"]);
}

#[test]
fn failures_wait_longer_each_time_then_are_given_up() {
    // Q4, C4
    let mut queue = ready(5);
    let mut now = 0;
    assert_eq!(queue.message("main", now), ["start main messages"]);
    for wait in [5, 10, 20, 40, 80] {
        assert_eq!(queue.end("main", Outcome::Failed(Fate::Retry), true, now), [""; 0]);
        assert_eq!(queue.wake_at(), Some(at(now + wait)));
        assert_eq!(queue.tell(Event::Tick, now + wait - 1), [""; 0]);
        assert_eq!(queue.message("main", now + wait - 1), [""; 0], "it joins the retry");
        now += wait;
        assert_eq!(queue.tell(Event::Tick, now), ["start main messages"]);
    }
    assert_eq!(queue.end("main", Outcome::Failed(Fate::Retry), true, now), ["give up main"]);
    assert_eq!(queue.wake_at(), None);
    assert_eq!(queue.message("main", now + 1), ["start main messages"], "a new message starts again");
}

#[test]
fn a_chat_that_could_not_be_told_is_told_later() {
    // C4
    let mut queue = ready(5);
    assert_eq!(queue.tell(Event::NotGivenUp(folder("main")), 0), [""; 0]);
    assert_eq!(queue.wake_at(), Some(at(20)));
    assert_eq!(queue.message("main", 1), [""; 0]);
    assert_eq!(queue.tell(Event::NotGivenUp(folder("family")), 1), [""; 0]);
    assert_eq!(queue.tell(Event::Tick, 20), ["give up main", "start main messages"]);
    assert_eq!(queue.tell(Event::Tick, 21), ["give up family"]);
    assert_eq!((queue.wake_at(), queue.waiting()), (None, vec![]));
}

#[test]
fn a_retry_that_finds_no_place_waits_for_one_not_for_the_clock() {
    // Q2, Q4
    let mut queue = ready(1);
    queue.message("a", 0);
    queue.end("a", Outcome::Failed(Fate::Retry), true, 0);
    assert_eq!(queue.message("b", 1), ["start b messages"]);
    assert_eq!(queue.tell(Event::Tick, 5), [""; 0]);
    assert_eq!(queue.wake_at(), None, "nothing would change by the clock alone");
    assert_eq!(queue.done("b", 6), ["start a messages"]);
}

#[test]
fn without_an_engine_work_waits_and_nothing_counts() {
    // Q7
    let mut queue = ready(5);
    queue.message("a", 1);
    assert_eq!(queue.tell(Event::EngineReady(false), 2), [""; 0]);
    assert_eq!(queue.end("a", Outcome::Lost, true, 2), [""; 0]);
    assert_eq!(queue.message("b", 3), [""; 0]);
    assert_eq!(queue.waiting()[0].attempt, 0);
    assert_eq!(queue.tell(Event::EngineReady(true), 4), ["start a messages", "start b messages"]);
}

#[test]
fn what_a_retry_does_not_help_is_given_up_at_once() {
    // C4
    let mut queue = ready(5);
    queue.message("main", 1);
    assert_eq!(queue.end("main", Outcome::Failed(Fate::GiveUp), true, 2), ["give up main"]);
    assert_eq!(queue.message("main", 3), ["start main messages"], "a new message starts again");
}

#[test]
fn signed_out_work_waits_and_goes_on_oldest_first() {
    // K3
    let mut queue = ready(1);
    queue.message("a", 1);
    assert_eq!(queue.message("b", 2), [""; 0]);
    assert_eq!(queue.end("a", PARKED, true, 3), ["park a", "start b messages"], "b does not know yet");
    assert_eq!(queue.tell(Event::Task(folder("a"), "t".into()), 4), [""; 0]);
    assert_eq!(queue.message("a", 4), [""; 0], "said once");
    assert_eq!(queue.end("b", PARKED, true, 5), ["park b"]);
    assert_eq!(queue.tell(Event::SignIn(SignIn::Unknown), 6), [""; 0], "can't tell is no sign-in");
    assert_eq!(queue.tell(Event::SignIn(SignIn::SignedOut), 7), [""; 0]);
    assert_eq!(queue.wake_at(), None);
    assert_eq!(queue.message("c", 8), ["park c"], "known to be signed out: no container");
    assert_eq!(queue.waiting().iter().filter(|waiting| waiting.parked).count(), 3);
    assert_eq!(queue.tell(Event::SignedInAnew, 9), [""; 0], "it is asked first");
    assert_eq!(queue.tell(Event::SignIn(SignIn::SignedIn), 9), ["start a task t"]);
    assert_eq!(queue.end("a", Outcome::Done, false, 10), ["start a messages"]);
    assert_eq!(queue.done("a", 11), ["start b messages"]);
    assert_eq!(queue.done("b", 12), ["start c messages"]);
}

#[test]
fn a_refusal_though_signed_in_is_tried_again_ever_more_seldom() {
    // K3, Q4
    let mut queue = ready(5);
    let mut starts = queue.message("a", 0).into_iter().map(|_| 0).collect::<Vec<_>>();
    for now in 1..3600 {
        // Each run is refused at once, and whoami says each time that all is well.
        let refused = queue.run_of(&folder("a")).is_some();
        let mut told = if refused { queue.end("a", PARKED, true, now) } else { Vec::new() };
        told.extend(queue.tell(Event::SignIn(SignIn::SignedIn), now));
        assert!(queue.run_of(&folder("a")).is_some() || queue.waiting()[0].parked);
        starts.extend(told.iter().filter(|effect| *effect == "start a messages").map(|_| now));
    }
    assert_eq!(starts, [0, 6, 17, 38, 79, 160, 1061, 1962, 2863]);
    assert_eq!(queue.wake_at(), Some(at(2864 + 900)));
    assert_eq!(queue.tell(Event::SignedInAnew, 3600), ["start a messages"], "a person has signed in");
    assert_eq!(queue.end("a", PARKED, true, 3602), ["park a"]);
    assert_eq!(queue.wake_at(), Some(at(3602 + 900)), "nobody was asked since");
    assert_eq!(queue.tell(Event::Tick, 3650), [""; 0]);
    assert_eq!(queue.tell(Event::SignIn(SignIn::SignedIn), 3651), ["start a messages"]);
}

#[test]
fn where_nobody_can_tell_what_was_refused_is_tried_now_and_then() {
    // K1, K3
    for unclear in [SignIn::Unknown, SignIn::Missing] {
        let mut queue = ready(5);
        queue.message("a", 0);
        assert_eq!(queue.end("a", PARKED, true, 1), ["park a"]);
        queue.tell(Event::SignIn(unclear), 2);
        assert_eq!(queue.wake_at(), Some(at(901)));
        assert_eq!(queue.message("a", 900), [""; 0]);
        assert_eq!(queue.tell(Event::Tick, 901), ["start a messages"]);
        assert_eq!(queue.end("a", PARKED, true, 902), ["park a"]);
        assert_eq!(queue.wake_at(), Some(at(902 + 900)));
        assert_eq!(queue.tell(Event::SignIn(SignIn::SignedOut), 903), [""; 0]);
        assert_eq!(queue.wake_at(), None);
    }
}

#[test]
fn a_chat_that_could_not_be_told_to_wait_is_told_later() {
    // K3
    let mut queue = ready(5);
    queue.tell(Event::SignIn(SignIn::SignedOut), 0);
    assert_eq!(queue.message("a", 1), ["park a"]);
    assert_eq!(queue.tell(Event::NotParked(folder("a")), 1), [""; 0]);
    assert_eq!((queue.message("a", 2), queue.wake_at()), (vec![], Some(at(21))));
    assert_eq!(queue.tell(Event::Tick, 21), ["park a"]);
    assert_eq!((queue.tell(Event::Tick, 22), queue.wake_at()), (vec![], None));
}

#[test]
fn cant_tell_never_parks() {
    // K1, K3
    let mut queue = ready(5);
    queue.tell(Event::SignIn(SignIn::SignedOut), 0);
    assert_eq!(queue.tell(Event::KeepWarm(folder("a")), 1), ["start a warm"], "a person asks for it");
    assert_eq!(queue.end("a", PARKED, false, 2), [""; 0], "nothing waits");
    for unclear in [SignIn::Unknown, SignIn::Missing] {
        queue.tell(Event::SignIn(unclear), 3);
        assert_eq!(queue.message("b", 3), ["start b messages"]);
        queue.done("b", 4);
    }
}

#[test]
fn paused_keeps_messages_and_runs_nothing() {
    let mut queue = ready(5);
    queue.message("a", 1);
    queue.message("b", 1);
    queue.idle("a", 2);
    assert_eq!(queue.tell(Event::Paused(true), 3), ["close a"]);
    assert_eq!(queue.message("b", 4), [""; 0]);
    assert_eq!(queue.idle("b", 5), ["close b"]);
    assert_eq!(queue.done("a", 6), [""; 0]);
    assert_eq!(queue.end("b", Outcome::Done, true, 6), [""; 0]);
    assert_eq!(queue.tell(Event::Paused(false), 7), ["start b messages"]);
}

#[test]
fn quitting_starts_nothing_and_closes_what_is_idle() {
    // Q6
    let mut queue = ready(5);
    queue.message("a", 1);
    queue.idle("a", 2);
    assert_eq!(queue.tell(Event::Quit, 3), ["close a"]);
    assert_eq!(queue.message("b", 4), [""; 0]);
}

#[test]
fn a_removed_group_drops_what_waits() {
    let mut queue = ready(1);
    queue.message("a", 1);
    queue.message("b", 1);
    assert_eq!(queue.tell(Event::Dropped(folder("b")), 2), [""; 0]);
    assert_eq!(queue.done("a", 3), [""; 0]);
}

/// What may happen next, by a small number: kept small so that shrinking tells a short story.
#[test]
fn a_stop_begins_nothing() {
    // Q1, Q4: a retry that is due when another chat's run is stopped begins with the next event, whose effects are done.
    let mut queue = ready(2);
    assert_eq!(queue.message("bob", 0), ["start bob messages"]);
    assert_eq!(queue.end("bob", Outcome::Failed(Fate::Retry), true, 1), [""; 0]);
    assert_eq!(queue.message("main", 2), ["start main messages"]);
    let run = queue.run("main");
    queue.stop(&run);
    assert_eq!(queue.tell(Event::Tick, 7), ["start bob messages"]);
}

#[derive(Clone, Debug)]
enum Happening {
    Message(u8),
    Task(u8, u8),
    Warm(u8),
    Idle(u8),
    End(u8, u8),
    Stop(u8),
    Engine(bool),
    SignIn(u8),
    Paused(bool),
    Wait(u8),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (0..6u8).prop_map(Happening::Message),
        2 => (0..6u8, 0..3u8).prop_map(|(g, t)| Happening::Task(g, t)),
        1 => (0..6u8).prop_map(Happening::Warm),
        3 => (0..6u8).prop_map(Happening::Idle),
        4 => (0..6u8, 0..5u8).prop_map(|(g, o)| Happening::End(g, o)),
        1 => (0..6u8).prop_map(Happening::Stop),
        1 => any::<bool>().prop_map(Happening::Engine),
        1 => (0..3u8).prop_map(Happening::SignIn),
        1 => any::<bool>().prop_map(Happening::Paused),
        2 => (0..100u8).prop_map(Happening::Wait),
    ]
}

proptest! {
    // Q1, Q2, Q3, K3, and that nothing is lost
    #[test]
    fn its_promises_hold_whatever_happens(story in proptest::collection::vec(happening(), 1..200), cap in 1..4usize) {
        let mut queue = ready(cap);
        let mut now = 0;
        // The model: which runs live, and which groups have a message that no run was given since.
        let mut live: BTreeMap<String, Work> = BTreeMap::new();
        let mut owed: BTreeMap<String, bool> = BTreeMap::new();
        let mut tasks: BTreeMap<String, Vec<String>> = BTreeMap::new();
        // Groups whose work waits for a sign-in and since when, whether one is known to be wanted, and whether one was told
        // since a refusal.
        let (mut parked, mut signed_out, mut signed_in) = (BTreeMap::new(), false, false);
        let group = |g: u8| ["a", "b", "c", "d", "e", "f"][g as usize].to_owned();
        let settle = story.len();
        for (step, happening) in story.into_iter().map(Some).chain(std::iter::repeat_n(None, 200)).enumerate() {
            // Each event at its own moment, so that no two runs of a group share a name.
            now += 1;
            let event = match happening {
                Some(Happening::Message(g)) => { owed.insert(group(g), true); Event::Message(folder(&group(g))) }
                Some(Happening::Task(g, t)) => {
                    let (g, t) = (group(g), format!("t{t}"));
                    let list = tasks.entry(g.clone()).or_default();
                    if !list.contains(&t) && live.get(&g) != Some(&Work::Task(t.clone())) { list.push(t.clone()); }
                    Event::Task(folder(&g), t)
                }
                Some(Happening::Warm(g)) => Event::KeepWarm(folder(&group(g))),
                Some(Happening::Idle(g)) if live.contains_key(&group(g)) => Event::Idle(queue.run(&group(g))),
                Some(Happening::Stop(g)) if live.contains_key(&group(g)) => {
                    let run = queue.run(&group(g));
                    queue.stop(&run);
                    continue;
                }
                Some(Happening::End(g, outcome)) if live.contains_key(&group(g)) => {
                    let g = group(g);
                    let run = queue.run(&g);
                    let retry = Outcome::Failed(Fate::Retry);
                    let outcome = [Outcome::Done, retry, Outcome::Lost, PARKED, Outcome::Failed(Fate::GiveUp)][outcome as usize];
                    if outcome != Outcome::Done {
                        match live.get(&g) {
                            Some(Work::Task(t)) => tasks.entry(g.clone()).or_default().insert(0, t.clone()),
                            // What it was given has gone back.
                            Some(Work::Messages) => { owed.insert(g.clone(), true); }
                            _ => {}
                        }
                    }
                    live.remove(&g);
                    signed_in &= outcome != PARKED;
                    Event::Ended { run, outcome, more: owed.get(&g).copied().unwrap_or_default() }
                }
                Some(Happening::Engine(ready)) => Event::EngineReady(ready),
                Some(Happening::SignIn(state)) => {
                    let state = [SignIn::SignedIn, SignIn::SignedOut, SignIn::Unknown][state as usize];
                    signed_out = state == SignIn::SignedOut;
                    signed_in = state == SignIn::SignedIn;
                    Event::SignIn(state)
                }
                Some(Happening::Paused(paused)) => Event::Paused(paused),
                Some(Happening::Wait(seconds)) => { now += i64::from(seconds); Event::Tick }
                Some(_) => Event::Tick,
                // In the end all is well: the engine is there, and every run ends, having done its work.
                None if step == settle => Event::EngineReady(true),
                None if step == settle + 1 => Event::Paused(false),
                None if step == settle + 2 => Event::SignedInAnew,
                None if step == settle + 3 => {
                    (signed_out, signed_in) = (false, true);
                    Event::SignIn(SignIn::SignedIn)
                }
                None => match live.keys().next().cloned() {
                    Some(g) => {
                        let run = queue.run(&g);
                        live.remove(&g);
                        Event::Ended { run, outcome: Outcome::Done, more: owed.get(&g).copied().unwrap_or_default() }
                    }
                    None => { now += 100; Event::Tick }
                },
            };
            let must_park = match &event {
                Event::Ended { run, outcome: PARKED, more } => {
                    let g = run.rsplit_once('-').unwrap().0.to_owned();
                    (*more || tasks.get(&g).is_some_and(|tasks| !tasks.is_empty())).then_some(g)
                }
                _ => None,
            };
            // Where nobody can tell, it is tried after a while.
            let may_go_on = |since: i64| signed_in || (!signed_out && now - since >= 900);
            for effect in queue.handle(event, at(now)) {
                match effect {
                    Effect::Start { folder, work, .. } => {
                        let g = folder.to_string();
                        prop_assert!(!live.contains_key(&g), "two runs for {g}");
                        prop_assert!(parked.remove(&g).is_none_or(may_go_on), "{g} waits for a sign-in");
                        prop_assert!(work == Work::KeepWarm || !signed_out, "nothing can work now");
                        match &work {
                            Work::Task(t) => {
                                let list = tasks.entry(g.clone()).or_default();
                                prop_assert_eq!(list.first(), Some(t), "tasks in order, each once");
                                list.remove(0);
                            }
                            Work::Messages => {
                                prop_assert!(tasks.get(&g).is_none_or(Vec::is_empty), "tasks first");
                                owed.insert(g.clone(), false);
                            }
                            Work::KeepWarm => {}
                        }
                        live.insert(g, work);
                    }
                    Effect::Pipe { folder, .. } => {
                        let g = folder.to_string();
                        prop_assert!(matches!(live.get(&g), Some(Work::Messages | Work::KeepWarm)), "piped into nothing");
                        owed.insert(g, false);
                    }
                    Effect::Close(run) => prop_assert!(live.contains_key(run.rsplit_once('-').unwrap().0)),
                    // Given up: the person is told, and the next message starts again.
                    Effect::GiveUp(folder) => {
                        owed.insert(folder.to_string(), false);
                        tasks.remove(&folder.to_string());
                    }
                    Effect::Park(folder) => prop_assert!(parked.insert(folder.to_string(), now).is_none(), "told once"),
                }
                prop_assert!(live.len() <= cap, "more than the cap");
            }
            let waits: BTreeSet<_> =
                queue.waiting().into_iter().filter(|w| w.parked).map(|w| w.folder.to_string()).collect();
            prop_assert!(parked.iter().all(|(g, since)| waits.contains(g) || may_go_on(*since)), "no sign-in was told");
            parked.retain(|g, _| waits.contains(g));
            prop_assert!(must_park.is_none_or(|g| parked.contains_key(&g)), "tried in vain");
        }
        prop_assert!(live.is_empty(), "all ended");
        prop_assert!(owed.values().all(|owed| !owed), "a message was never given to a run: {owed:?}");
        prop_assert!(tasks.values().all(Vec::is_empty), "a task never ran: {tasks:?}");
    }
}
