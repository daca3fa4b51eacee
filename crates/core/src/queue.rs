//! The queue of each group as one machine: events in, effects out (Q1–Q7).
//!
//! It owns which group may run now. It does not know messages or containers: the host tells it that a group has something
//! to do and what became of a run, and does what the effects say.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::{
    failure::Fate,
    group::Folder,
    kiro::SignIn,
    status::{RunKind, RunState},
};

/// Names a run: its folder and the moment of its start, as in the container's name.
pub type RunId = String;

/// Waiting times before a failed run is tried again (Q4).
const RETRY_SECONDS: [i64; 5] = [5, 10, 20, 40, 80];

/// How often work is tried that Kiro refused as signed out again and again, while it says when asked that it is signed in, or
/// can't be asked.
const REFUSED_AGAIN: SignedDuration = SignedDuration::from_mins(15);

/// How long until a chat that could not be told is told again.
const TELL_AGAIN: SignedDuration = SignedDuration::from_secs(20);

/// How long until something is tried again that has been tried again `attempt` times; None when it is given up.
pub fn retry_after(attempt: u32) -> Option<SignedDuration> {
    RETRY_SECONDS.get(attempt as usize).copied().map(SignedDuration::from_secs)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message that wants an answer is in the store, unseen.
    Message(Folder),
    /// A task was claimed for this group.
    Task(Folder, String),
    /// A person wants the group's container up, with nothing to say yet (T3).
    KeepWarm(Folder),
    /// A run has answered all it was given, and waits.
    Idle(RunId),
    /// `more`: the store holds messages of the group that want an answer; what was not answered has gone back before.
    Ended {
        run: RunId,
        outcome: Outcome,
        more: bool,
    },
    EngineReady(bool),
    /// Whether Kiro is signed in, as far as that can be told when it is asked: where it is not, work waits for it (K3).
    SignIn(SignIn),
    /// Somebody has signed in: what was refused before says nothing any more.
    SignedInAnew,
    Paused(bool),
    /// Nothing starts any more; idle runs are closed.
    Quit,
    /// What waits for the group is dropped: it is registered no more, or a person wants none of it.
    Dropped(Folder),
    /// What [`Effect::GiveUp`] asked for could not be done; it is asked for again.
    NotGivenUp(Folder),
    /// Nor what [`Effect::Park`] asked for: the work is tried again, which leads to being told that it waits.
    NotParked(Folder),
    /// A moment that [`Queue::wake_at`] named has come.
    Tick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered what it was given.
    Done,
    /// It ended badly.
    Failed(Fate),
    /// The engine went away, or a person stopped it: no failure, and nothing counts as a retry (Q7).
    Lost,
}

/// What a run is started for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    Messages,
    Task(String),
    KeepWarm,
}

impl Work {
    pub fn kind(&self) -> RunKind {
        match self {
            Work::Messages => RunKind::Messages,
            Work::Task(_) => RunKind::Task,
            Work::KeepWarm => RunKind::KeptWarm,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Start {
        folder: Folder,
        run: RunId,
        work: Work,
    },
    /// Hand the unseen messages to this run (Q5).
    Pipe {
        folder: Folder,
        run: RunId,
    },
    /// Tell the run that nothing more comes; it ends by itself.
    Close(RunId),
    /// All retries failed, or none makes sense: say so in the chat (C4).
    GiveUp(Folder),
    /// What the group has to do waits for a sign-in: say so in the chat (K3).
    Park(Folder),
}

#[derive(Debug)]
pub struct Queue {
    cap: usize,
    engine_ready: bool,
    /// What was told last, unless a run was refused since.
    sign_in: SignIn,
    paused: bool,
    quitting: bool,
    lanes: BTreeMap<Folder, Lane>,
    /// Groups with something to do, in the order in which they came.
    waiting: VecDeque<Folder>,
}

#[derive(Debug, Default)]
struct Lane {
    messages: bool,
    tasks: VecDeque<String>,
    keep_warm: bool,
    /// The chat has to be told that all retries failed, before anything else is done for it.
    give_up: bool,
    /// Its work waits for a sign-in; `retry_at` is then the first moment at which one is believed.
    parked: Option<Parked>,
    /// How many runs in a row Kiro has refused as signed out.
    refused: u32,
    run: Option<Active>,
    attempt: u32,
    retry_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Parked {
    /// When the oldest of its work came, as far as that is known: the oldest goes on first.
    since: Timestamp,
    at: Timestamp,
}

#[derive(Debug)]
struct Active {
    run: RunId,
    work: Work,
    state: RunState,
    since: Timestamp,
    idle_since: Option<Timestamp>,
}

/// What waits for a group, for the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub folder: Folder,
    pub messages: bool,
    pub tasks: usize,
    /// It waits for a sign-in to Kiro.
    pub parked: bool,
    pub retry_at: Option<Timestamp>,
    pub attempt: u32,
}

impl Queue {
    /// # Arguments
    /// `cap`: MAX_CONCURRENT_CONTAINERS; below 1 counts as 1.
    pub fn new(cap: usize) -> Self {
        Queue {
            cap: cap.max(1),
            engine_ready: false,
            sign_in: SignIn::Unknown,
            paused: false,
            quitting: false,
            lanes: BTreeMap::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Takes what happened; the effects are to be done in their order, and all of them: what was begun by one is not begun again.
    #[must_use]
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Message(folder) => match self.piped_into(&folder) {
                Some(run) => effects.push(self.pipe(folder, run)),
                None => {
                    self.lane(&folder).messages = true;
                    self.wait(folder);
                }
            },
            Event::Task(folder, task) => {
                let lane = self.lane(&folder);
                let running = lane.run.as_ref().is_some_and(|active| active.work == Work::Task(task.clone()));
                if !running && !lane.tasks.contains(&task) {
                    lane.tasks.push_back(task);
                    self.wait(folder);
                }
            }
            Event::KeepWarm(folder) => {
                let lane = self.lane(&folder);
                if lane.run.is_none() {
                    lane.keep_warm = true;
                    self.wait(folder);
                }
            }
            Event::Idle(run) => {
                if let Some(active) = self.active(&run)
                    && active.state != RunState::Stopping
                {
                    active.state = RunState::Idle;
                    active.idle_since = Some(now);
                }
            }
            Event::Ended { run, outcome, more } => self.ended(&run, outcome, more, now, &mut effects),
            Event::EngineReady(ready) => self.engine_ready = ready,
            Event::SignIn(state) => {
                self.sign_in = state;
                if state == SignIn::SignedIn {
                    self.oldest_parked_first();
                }
            }
            Event::SignedInAnew => {
                for lane in self.lanes.values_mut() {
                    lane.refused = 0;
                    lane.retry_at = lane.retry_at.filter(|_| lane.parked.is_none());
                }
            }
            Event::Paused(paused) => self.paused = paused,
            Event::Quit => self.quitting = true,
            Event::Dropped(folder) => {
                if let Some(lane) = self.lanes.get_mut(&folder) {
                    *lane = Lane { run: lane.run.take(), ..Lane::default() };
                }
                self.waiting.retain(|waiting| *waiting != folder);
            }
            Event::NotGivenUp(folder) => {
                let lane = self.lane(&folder);
                lane.give_up = true;
                lane.retry_at = now.checked_add(TELL_AGAIN).ok();
                self.wait(folder);
            }
            Event::NotParked(folder) => {
                let lane = self.lane(&folder);
                (lane.parked, lane.retry_at) = (None, now.checked_add(TELL_AGAIN).ok());
            }
            Event::Tick => {}
        }
        self.fill(now, &mut effects);
        effects
    }

    /// A run is being stopped, or told that nothing more comes: it takes no messages any more. Nothing follows from that before
    /// its end.
    pub fn stop(&mut self, run: &str) {
        if let Some(active) = self.active(run) {
            active.state = RunState::Stopping;
        }
    }

    /// Whether a message for this group would be piped into its run (Q5).
    pub fn takes_messages(&self, folder: &Folder) -> bool {
        self.piped_into(folder).is_some()
    }

    /// The next moment at which a [`Event::Tick`] would change something.
    pub fn wake_at(&self) -> Option<Timestamp> {
        if !self.engine_ready || self.paused || self.quitting {
            return None;
        }
        let moment = |lane: &Lane| if lane.parked.is_some() { lane.goes_on_at(self.sign_in) } else { lane.retry_at };
        self.lanes.values().filter(|lane| lane.run.is_none() && lane.has_work()).filter_map(moment).min()
    }

    pub fn run_state(&self, run: &str) -> Option<RunState> {
        self.lanes
            .values()
            .filter_map(|lane| lane.run.as_ref())
            .find(|active| active.run == run)
            .map(|active| active.state)
    }

    /// The run of a group, if it has one.
    pub fn run_of(&self, folder: &Folder) -> Option<&RunId> {
        self.lanes.get(folder)?.run.as_ref().map(|active| &active.run)
    }

    pub fn running(&self) -> usize {
        self.lanes.values().filter(|lane| lane.run.is_some()).count()
    }

    /// Groups that wait, in the order in which they are served.
    pub fn waiting(&self) -> Vec<Waiting> {
        let describe = |folder: &Folder| {
            let lane = self.lanes.get(folder)?;
            Some(Waiting {
                folder: folder.clone(),
                messages: lane.messages,
                tasks: lane.tasks.len(),
                parked: lane.parked.is_some(),
                retry_at: lane.retry_at.filter(|_| lane.parked.is_none()),
                attempt: lane.attempt,
            })
        };
        self.waiting.iter().filter_map(describe).collect()
    }

    fn lane(&mut self, folder: &Folder) -> &mut Lane {
        self.lanes.entry(folder.clone()).or_default()
    }

    fn wait(&mut self, folder: Folder) {
        if !self.waiting.contains(&folder) {
            self.waiting.push_back(folder);
        }
    }

    fn active(&mut self, run: &str) -> Option<&mut Active> {
        self.lanes.values_mut().filter_map(|lane| lane.run.as_mut()).find(|active| active.run == run)
    }

    /// The run that takes this group's messages now. A task's run takes none (S6), nor does one that is closing.
    fn piped_into(&self, folder: &Folder) -> Option<RunId> {
        if self.paused || self.quitting {
            return None;
        }
        let active = self.lanes.get(folder)?.run.as_ref()?;
        let takes = !matches!(active.work, Work::Task(_)) && active.state != RunState::Stopping;
        takes.then(|| active.run.clone())
    }

    fn pipe(&mut self, folder: Folder, run: RunId) -> Effect {
        if let Some(active) = self.active(&run) {
            active.state = RunState::Working;
            active.idle_since = None;
        }
        Effect::Pipe { folder, run }
    }

    /// In which order what waited for a sign-in goes on.
    fn oldest_parked_first(&mut self) {
        let parked = |folder: &Folder| self.lanes.get(folder).and_then(|lane| lane.parked);
        self.waiting
            .make_contiguous()
            .sort_by_key(|folder| parked(folder).map_or(Timestamp::MAX, |parked| parked.since));
    }

    fn ended(&mut self, run: &str, outcome: Outcome, more: bool, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some((folder, active)) = self.lanes.iter_mut().find_map(|(folder, lane)| {
            let active = lane.run.take_if(|active| active.run == run)?;
            Some((folder.clone(), active))
        }) else {
            return;
        };
        let lane = self.lane(&folder);
        lane.messages |= more;
        if outcome == Outcome::Done {
            (lane.attempt, lane.refused, lane.retry_at) = (0, 0, None);
        } else if let Work::Task(task) = active.work {
            lane.tasks.push_front(task);
        }
        if let Outcome::Failed(fate) = outcome
            && lane.has_work()
        {
            match (fate, retry_after(lane.attempt)) {
                (Fate::Retry, Some(wait)) => {
                    lane.attempt += 1;
                    lane.retry_at = now.checked_add(wait).ok();
                }
                (Fate::Retry, None) | (Fate::GiveUp, _) => {
                    *lane = Lane::default();
                    effects.push(Effect::GiveUp(folder.clone()));
                }
                (Fate::Park, _) => {
                    let wait = retry_after(lane.refused).unwrap_or(REFUSED_AGAIN);
                    effects.push(lane.park(&folder, active.since, now));
                    lane.refused += 1;
                    lane.retry_at = now.checked_add(wait).ok();
                }
            }
        }
        if lane.has_work() {
            self.wait(folder);
        } else {
            self.waiting.retain(|waiting| *waiting != folder);
        }
        if outcome == Outcome::Failed(Fate::Park) && self.sign_in == SignIn::SignedIn {
            // It was told before this run was refused.
            self.sign_in = SignIn::Unknown;
        }
    }

    /// Starts what may start, and makes idle runs give way to what waits (Q2).
    fn fill(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.paused || self.quitting {
            self.close_idle(|_| true, usize::MAX, effects);
            return;
        }
        // A task of its own group is due: the idle run gives way.
        self.close_idle(|lane| !lane.tasks.is_empty(), usize::MAX, effects);
        if !self.engine_ready {
            return;
        }
        let mut starved = 0_usize;
        for folder in std::mem::take(&mut self.waiting) {
            let running = self.running();
            let cap = self.cap;
            let Some(lane) = self.lanes.get_mut(&folder) else {
                continue;
            };
            // It has waited long enough; from now on it waits for a place, not for the clock.
            lane.retry_at = lane.retry_at.filter(|at| *at > now);
            if lane.goes_on_at(self.sign_in).is_some_and(|at| at <= now) {
                lane.parked = None;
            }
            if lane.is_ready(now) && std::mem::take(&mut lane.give_up) {
                effects.push(Effect::GiveUp(folder.clone()));
            }
            if lane.is_ready(now) && self.sign_in == SignIn::SignedOut && lane.needs_kiro() {
                effects.push(lane.park(&folder, now, now));
            }
            if lane.is_ready(now) && running < cap {
                effects.extend(lane.start(&folder, now));
            } else if lane.is_ready(now) {
                starved += 1;
            }
            if lane.has_work() {
                self.waiting.push_back(folder);
            }
        }
        let stopping =
            self.lanes.values().filter_map(|lane| lane.run.as_ref()).filter(|a| a.state == RunState::Stopping).count();
        self.close_idle(|_| true, starved.saturating_sub(stopping), effects);
    }

    /// Closes at most `count` idle runs whose lane is meant, the longest idle first.
    fn close_idle(&mut self, meant: impl Fn(&Lane) -> bool, count: usize, effects: &mut Vec<Effect>) {
        let mut idle: Vec<&mut Active> = self
            .lanes
            .values_mut()
            .filter(|lane| meant(lane))
            .filter_map(|lane| lane.run.as_mut())
            .filter(|active| active.state == RunState::Idle)
            .collect();
        idle.sort_by_key(|active| active.idle_since);
        for active in idle.into_iter().take(count) {
            active.state = RunState::Stopping;
            effects.push(Effect::Close(active.run.clone()));
        }
    }
}

impl Lane {
    fn has_work(&self) -> bool {
        self.give_up || self.messages || self.keep_warm || !self.tasks.is_empty()
    }

    fn is_ready(&self, now: Timestamp) -> bool {
        self.has_work() && self.run.is_none() && self.parked.is_none() && self.retry_at.is_none_or(|at| at <= now)
    }

    /// A run that is only kept warm shows by itself whether it can start.
    fn needs_kiro(&self) -> bool {
        self.messages || !self.tasks.is_empty()
    }

    fn park(&mut self, folder: &Folder, since: Timestamp, at: Timestamp) -> Effect {
        (self.parked, self.attempt, self.retry_at) = (Some(Parked { since, at }), 0, None);
        Effect::Park(folder.clone())
    }

    /// When work that waits for a sign-in is tried again, as far as is known now. Where nobody can tell whether there is one,
    /// only trying tells.
    fn goes_on_at(&self, sign_in: SignIn) -> Option<Timestamp> {
        let at = self.parked?.at;
        let believed = self.retry_at.unwrap_or(at);
        match sign_in {
            SignIn::SignedIn => Some(believed),
            SignIn::SignedOut => None,
            SignIn::Unknown | SignIn::Missing => Some(believed.max(at.checked_add(REFUSED_AGAIN).ok()?)),
        }
    }

    /// Tasks go before messages (Q3); a run for messages is warm anyway.
    fn start(&mut self, folder: &Folder, now: Timestamp) -> Option<Effect> {
        let work = if let Some(task) = self.tasks.pop_front() {
            Work::Task(task)
        } else if std::mem::take(&mut self.messages) {
            self.keep_warm = false;
            Work::Messages
        } else if std::mem::take(&mut self.keep_warm) {
            Work::KeepWarm
        } else {
            return None;
        };
        let run = format!("{folder}-{}", now.as_millisecond());
        self.retry_at = None;
        self.run = Some(Active {
            run: run.clone(),
            work: work.clone(),
            state: RunState::Working,
            since: now,
            idle_since: None,
        });
        Some(Effect::Start { folder: folder.clone(), run, work })
    }
}

#[cfg(test)]
mod tests;
