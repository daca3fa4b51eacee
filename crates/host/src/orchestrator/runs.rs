//! Runs: what they are given, what they answer, how long they go on (C1, Q5, R3–R5).

use std::collections::VecDeque;

use anyhow::Result;
use nanoclaw_core::{
    chat::Message,
    failure::{Failure, Fate},
    group::{Folder, Group},
    prompt,
    queue::{Effect, Event, Outcome, RunId, Work},
    router,
    run::{self, Clock, Due, Limits},
    schedule::Context,
    trigger::Trigger,
    trust,
};
use nanoclaw_protocol::{Cause, FollowUp, Output, Request, Status};

use super::{
    GRACE, State,
    ends::NOT_PREPARED,
    live::{LiveRun, Measured, Stopped, container_name, short, stamp_of},
    now,
    tasks::{TaskOfRun, ran_of},
};
use crate::{
    kiro,
    logging::{RUN_LOGS_SHARE, word},
    moment::moment,
    ports::{Load, RunSpec, ToChannel, ToEngine},
    store::{
        Flag,
        cursors::{self, HandOver},
        outbox::{self, Outgoing},
        sessions, tasks,
        trace::{self, Step},
    },
};

/// The agent's image knows its own folders; what it can't know is told by these.
const MODEL: &str = "KIRO_MODEL";
const AGENT: &str = "KIRO_AGENT_NAME";

/// Bytes of a session's id; Kiro's are far shorter, and a request has to hold it.
const LONGEST_SESSION: usize = 256;

impl State {
    pub(super) async fn tell_queue(&mut self, event: Event) {
        let mut effects: VecDeque<_> = self.queue.handle(event, now()).into();
        while let Some(effect) = effects.pop_front() {
            match self.execute(effect).await {
                Ok(followed) => {
                    effects.extend(followed.map(|event| self.queue.handle(event, now())).into_iter().flatten())
                }
                Err(error) => self.note_internal(&error),
            }
        }
    }

    /// Does what the queue decided; what that led to at once goes back into the queue.
    async fn execute(&mut self, effect: Effect) -> Result<Option<Event>> {
        match effect {
            Effect::Start { folder, run, work } => match self.start_run(&folder, &run, work).await {
                Ok(true) => Ok(None),
                Ok(false) => {
                    self.waits_no_more(&folder).await;
                    Ok(Some(Event::Ended { run, outcome: Outcome::Done, more: false }))
                }
                Err(error) => {
                    tracing::error!("the run could not be started: {error:#}");
                    self.note_failure(&folder, Some(Failure::new(NOT_PREPARED)));
                    Ok(Some(Event::Ended { run, outcome: Outcome::Failed(Fate::Retry), more: true }))
                }
            },
            Effect::Pipe { folder, run } => match self.pipe(&folder, &run).await {
                Err(error) => {
                    self.note_internal(&error);
                    // It goes on with the next run, which begins when this one has ended.
                    self.close_run(&run);
                    Ok(None)
                }
                piped => piped,
            },
            Effect::Close(run) => {
                self.close_run(&run);
                Ok(None)
            }
            Effect::GiveUp(folder) => match self.give_up(&folder).await {
                Ok(()) => Ok(None),
                Err(error) => {
                    self.note_internal(&error);
                    Ok(Some(Event::NotGivenUp(folder)))
                }
            },
            Effect::Park(folder) => match self.park(&folder).await {
                Ok(true) => Ok(None),
                Ok(false) => {
                    self.waits_no_more(&folder).await;
                    Ok(Some(Event::Dropped(folder)))
                }
                Err(error) => {
                    self.note_internal(&error);
                    Ok(Some(Event::NotParked(folder)))
                }
            },
        }
    }

    /// Hands over and starts; false when there was nothing to start for.
    async fn start_run(&mut self, folder: &Folder, run: &RunId, work: Work) -> Result<bool> {
        moment("queued");
        let Some(group) = self.groups.get(folder).cloned() else { return Ok(false) };
        let task = match &work {
            Work::Task(id) => {
                let id = id.clone();
                // S2: it may have been paused or cancelled since it was claimed.
                let Some(task) = self.store.write(move |db| tasks::take_turn(db, &id)).await? else { return Ok(false) };
                Some(task)
            }
            Work::Messages | Work::KeepWarm => None,
        };
        let (session, given) = self.hand_over(&group, run, work == Work::Messages).await?;
        if given.is_none() && work == Work::Messages {
            return Ok(false);
        }
        // S3
        let session = session.filter(|_| task.as_ref().is_none_or(|task| task.context == Context::Group));
        let (turn, prompt) = match (&given, &task) {
            (Some(given), _) => (Some(given.turn), prompt::format(&given.messages, &self.settings.zone)),
            // A task's run has one turn, which is no hand-over of messages.
            (None, Some(task)) => (Some(0), task.prompt.clone()),
            (None, None) => (None, String::new()),
        };
        let asked = given.as_ref().and_then(|given| self.asked(&group, &given.messages));
        let about = asked.or_else(|| task.as_ref().map(|task| short(&task.prompt)));
        let started_at = now();
        let mounts = self.mounts(&group).await;
        self.check_kiro_files();
        self.write_snapshots(&group).await?;
        let spec = RunSpec {
            run: run.clone(),
            container: container_name(run),
            folder: folder.clone(),
            kind: work.kind(),
            mounts: mounts.clone(),
            request: Request {
                turn: turn.unwrap_or_default(),
                prompt,
                session_id: session,
                group_folder: folder.to_string(),
                chat_jid: group.jid.to_string(),
                is_main: group.is_main(),
                tools: trust::tools(group.is_main(), group.tools.as_deref()),
                is_scheduled_task: task.is_some(),
                idle_timeout: self.settings.idle_timeout,
                secrets: self.secrets(),
            },
            image: self.settings.agent_image.clone(),
            env: self.environment(),
            memory: self.settings.memory,
            cpus: self.settings.cpus,
            pids: self.settings.pids_limit,
            max_output: self.settings.max_output,
            log: self.home.run_log(folder, stamp_of(run).unwrap_or(started_at)),
            max_logs: self.settings.log_max_bytes / RUN_LOGS_SHARE / self.groups.len().max(1) as u64,
        };
        let live = LiveRun {
            folder: folder.clone(),
            chat: group.jid.clone(),
            container: spec.container.clone(),
            mounts,
            clock: Clock {
                kind: work.kind(),
                started_at,
                last_result_at: None,
                limits: Limits::of(&group, &self.settings),
                closing_at: None,
            },
            about,
            is_up: false,
            open: turn.into_iter().collect(),
            failure: None,
            timed_out: false,
            stopped: None,
            goes_on: false,
            measured: None,
            task: task.map(|task| TaskOfRun { id: task.id, context: task.context, finished: false }),
        };
        if !live.open.is_empty() {
            self.send_channel(ToChannel::Composing { chat: group.jid, on: true });
        }
        self.runs.insert(run.clone(), live);
        // What an earlier process left of it has been removed before the engine was ready.
        self.cut_off.remove(folder);
        self.send_engine(ToEngine::Start(Box::new(spec)));
        Ok(true)
    }

    /// Kiro's session of the group, and, when `wanted`, its unseen messages as a new turn of the run.
    async fn hand_over(
        &mut self,
        group: &Group,
        run: &str,
        wanted: bool,
    ) -> Result<(Option<String>, Option<HandOver>)> {
        let (folder, chat, run) = (group.folder.clone(), group.jid.clone(), run.to_owned());
        let trigger = Trigger::of(group, &self.settings.assistant_name);
        let queued = self.queued.get(&folder).cloned().unwrap_or_default();
        let handed_over = self
            .store
            .write(move |db| {
                let given = if wanted { cursors::hand_over(db, &chat, &run, &trigger)? } else { None };
                let seqs = given.iter().flat_map(|given| &given.messages).map(|message| message.seq);
                trace::hand_over(db, seqs, &queued, now(), &container_name(&run))?;
                Ok((sessions::get(db, &folder)?, given))
            })
            .await;
        moment("handed-over");
        if let Ok((_, given)) = handed_over.as_ref()
            && wanted
        {
            // With nothing given nothing is unseen, also where another hand-over took it along.
            let last = given.iter().flat_map(|given| &given.messages).map(|message| message.seq).max();
            self.queued.entry(group.folder.clone()).or_default().retain(|seq, _| last.is_some_and(|last| *seq > last));
        }
        handed_over
    }

    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let zone = self.settings.zone.iana_name().unwrap_or("UTC").to_owned();
        let agent = kiro::agent_name(&kiro::folder(&self.home.places(), &self.settings), &self.settings);
        [(AGENT, agent), (MODEL, self.settings.kiro_model.clone()), ("TZ", Some(zone))]
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }

    /// Q5: the unseen messages go into the run as its next turn.
    async fn pipe(&mut self, folder: &Folder, run: &RunId) -> Result<Option<Event>> {
        let Some(group) = self.groups.get(folder).filter(|_| self.runs.contains_key(run)).cloned() else {
            return Ok(None);
        };
        let (_, given) = self.hand_over(&group, run, true).await?;
        let about = given.as_ref().and_then(|given| self.asked(&group, &given.messages));
        let Some(live) = self.runs.get_mut(run) else { return Ok(None) };
        let Some(given) = given else {
            // Another hand-over took them along.
            return Ok(live.open.is_empty().then(|| Event::Idle(run.clone())));
        };
        live.open.push(given.turn);
        live.about = about;
        let text = prompt::format(&given.messages, &self.settings.zone);
        let follow_up = FollowUp::Message { turn: given.turn, text };
        self.send_engine(ToEngine::Write { run: run.clone(), follow_up });
        self.send_channel(ToChannel::Composing { chat: group.jid, on: true });
        Ok(None)
    }

    /// What was asked last: later chatter is none of it.
    fn asked(&self, group: &Group, messages: &[Message]) -> Option<String> {
        let trigger = Trigger::of(group, &self.settings.assistant_name);
        messages.iter().rfind(|message| router::wakes(message, &trigger)).map(|message| short(&message.content))
    }

    pub(super) async fn started(&mut self, run: RunId, container: String) {
        moment("started");
        let Some(live) = self.runs.get_mut(&run) else { return };
        live.container = container;
        live.is_up = true;
        live.clock.started_at = now();
        if live.open.is_empty() {
            self.tell_queue(Event::Idle(run)).await;
        }
    }

    pub(super) fn not_stopped(&mut self, run: &str) {
        if let Some(live) = self.runs.get_mut(run) {
            live.goes_on = true;
        }
    }

    pub(super) fn measured(&mut self, run: &str, load: Load) {
        if let Some(live) = self.runs.get_mut(run) {
            live.measured = Some(Measured::new(load, now(), live.measured));
        }
    }

    /// A result: into the outbox, and its turns closed, in one transaction (C1, M13).
    pub(super) async fn output(&mut self, run: RunId, part: u64, output: Output) -> Result<()> {
        moment("result");
        // After a failure nothing more of it counts: its open turns go back when it ends.
        let Some(live) = self.runs.get(&run).filter(|live| live.failure.is_none()) else { return Ok(()) };
        let (folder, chat) = (live.folder.clone(), live.chat.clone());
        let greets = !self.answered && self.groups.get(&folder).is_some_and(Group::is_main);
        if output.status == Status::Error {
            tracing::warn!(run, cause = word(&output.cause), "The agent reported an error");
            tracing::debug!(run, error = output.error, "What it said");
            self.fail_run(&run, self.failure(output.cause.unwrap_or(Cause::Unknown)));
            return Ok(());
        }
        let to = chat.clone();
        if self.store.read(move |db| outbox::is_full(db, &to)).await? {
            self.fail_run(&run, Failure::new("too many of its texts wait to be sent already."));
            return Ok(());
        }
        let Some(live) = self.runs.get(&run) else { return Ok(()) };
        let turn = output.turn.unwrap_or_default();
        let result = output.result.as_deref().and_then(prompt::public_part);
        let answer = result.as_deref().unwrap_or_default();
        let texts = prompt::texts(answer, &self.settings.assistant_name, self.settings.own_number);
        let replies = texts.into_iter().enumerate().map(|(n, text)| {
            let about = if n == 0 { run.clone() } else { format!("{run}.{n}") };
            Outgoing { id: run::message_id(&about, turn, part), chat: chat.clone(), text }
        });
        let replies: Vec<Outgoing> = replies.collect();
        let says = !replies.is_empty();
        let isolated = live.task.as_ref().is_some_and(|task| task.context == Context::Isolated);
        let done =
            live.task.as_ref().filter(|task| !task.finished).map(|task| (task.id.clone(), ran_of(live, Ok(result))));
        // R11: the folder may have gone to another chat meanwhile.
        let still_its_folder = self.groups.get(&folder).is_some_and(|group| group.jid == chat);
        let session = output.new_session_id.filter(|id| id.len() <= LONGEST_SESSION && !isolated && still_its_folder);
        let (named, of_run) = (output.turn, run.clone());
        let zone = self.settings.zone.clone();
        let goes_on = self.goes_on(&chat, &run);
        self.note_failure(&folder, None);
        let kept = self
            .store
            .write(move |db| {
                goes_on(db)?;
                for reply in &replies {
                    outbox::add(db, reply, now())?;
                }
                if greets && says {
                    Flag::Answered.set(db, true)?;
                }
                if let Some((id, ran)) = done {
                    tasks::log_run(db, &id, &ran)?;
                    tasks::finish(db, &id, &zone, now())?;
                }
                if let Some(session) = session {
                    sessions::set(db, &folder, &session)?;
                }
                let open = cursors::open_turns(db, &of_run)?;
                let answered = run::answered(&open, named);
                trace::take_turns(db, &answered, Step::Result, now(), None)?;
                for reply in replies.iter().take(trace::STEPS) {
                    trace::take_turns(db, &answered, Step::Outbox, now(), Some(&reply.id))?;
                }
                cursors::close_turns(db, &answered)?;
                Ok(open.into_iter().map(|turn| turn.id).filter(|id| !answered.contains(id)).collect::<Vec<_>>())
            })
            .await;
        moment("outbox");
        let still_open = match kept {
            Ok(still_open) => still_open,
            Err(error) => {
                self.fail_run(&run, Failure::new("the answer could not be kept. Make room on the disk."));
                return Err(error);
            }
        };
        self.all_kept();
        self.answered |= greets && says;
        self.agents_answer();
        if self.queue.waiting().iter().any(|waiting| waiting.parked) {
            self.kiro_signed_in().await;
        }
        let mut planned = Ok(());
        if let Some(live) = self.runs.get_mut(&run) {
            live.clock.last_result_at = Some(now());
            live.open = still_open;
            if live.open.is_empty() {
                let is_task = live.task.as_mut().map(|task| task.finished = true).is_some();
                self.send_channel(ToChannel::Composing { chat, on: false });
                // S6
                if is_task || self.settings.one_shot {
                    self.close_run(&run);
                }
                self.tell_queue(Event::Idle(run)).await;
                if is_task {
                    planned = self.reschedule().await;
                }
            }
        }
        self.flush().await.and(planned)
    }

    fn fail_run(&mut self, run: &str, failure: Failure) {
        if let Some(live) = self.runs.get_mut(run) {
            live.failure = Some(failure);
        }
        self.close_run(run);
    }

    /// Tells a run that nothing more comes. It ends by itself, after what it is at.
    pub(super) fn close_run(&mut self, run: &str) {
        if let Some(live) = self.runs.get_mut(run)
            && live.clock.closing_at.is_none()
        {
            live.clock.closing_at = Some(now());
            self.queue.stop(run);
            self.send_engine(ToEngine::Write { run: run.to_owned(), follow_up: FollowUp::Close });
        }
    }

    pub(super) fn stop_run(&mut self, run: &str, stopped: Stopped) {
        if let Some(live) = self.runs.get_mut(run) {
            // What was dropped once is not asked again.
            live.stopped = live.stopped.max(Some(stopped));
            self.queue.stop(run);
            self.send_engine(ToEngine::Stop { run: run.to_owned(), grace: GRACE });
        }
    }

    /// R5: closes runs that were idle for long enough, and stops those that gave no result for too long.
    pub(super) fn limit_runs(&mut self) {
        let due: Vec<_> = self
            .runs
            .iter()
            .filter_map(|(id, run)| {
                let (at, what) = run.due();
                (at <= now()).then(|| (id.clone(), what))
            })
            .collect();
        for (id, what) in due {
            match what {
                Due::Close => self.close_run(&id),
                Due::Stop => {
                    tracing::warn!(run = id, "The agent took too long");
                    if let Some(live) = self.runs.get_mut(&id) {
                        live.timed_out = true;
                    }
                    self.queue.stop(&id);
                    self.send_engine(ToEngine::Stop { run: id, grace: GRACE });
                }
            }
        }
    }
}
