//! What a person asks for (core's `command`), done.

use anyhow::{Context, Result};
use jiff::Timestamp;
use nanoclaw_core::{
    authorize::LONGEST_TEXT,
    chat::{Jid, Seq, is_ignored},
    command::{Answer, Command},
    group::{Folder, Group, Registration},
    kiro::Way,
    link::{LinkState, PairingFailure, phone_digits},
    present::words::{count, moment},
    problem::Trouble,
    prompt,
    queue::{Event, RunId},
    run, schedule,
    status::{EngineState, GroupStatus, RunState, Wanted, rfc3339},
    trigger::Trigger,
};
use serde::Serialize;
use serde_json::json;

use super::{End, State, live::Stopped, now};
use crate::{
    channel::whatsapp::backups,
    container::allowlist,
    kiro,
    ports::{ToChannel, ToEngine},
    settings,
    store::{
        self, chats, cursors, groups, messages,
        outbox::Outgoing,
        retention, tasks,
        trace::{self, UnderWay},
    },
};

/// Characters of a chat's name or trigger.
const LONGEST_NAME: usize = 200;
/// Why what waited in a chat is not done.
const NOT_REGISTERED: &str = "The chat is not registered any more.";
/// How many of a schedule's next times are shown before it is kept.
const PREVIEW: usize = 5;

impl State {
    pub(super) async fn obey(&mut self, command: Command) -> Answer {
        match command {
            Command::Status {} => json_of(&self.facts().status(now())),
            Command::Pair { phone, cancel, yes } => self.pair(phone, cancel, yes),
            Command::Logout { yes } => {
                if !yes {
                    return Err(Trouble::NeedsYes { what: "unlink NanoClaw from your phone".to_owned() });
                }
                self.send_channel(ToChannel::Logout);
                done()
            }
            Command::WhatsappBackups {} => json_of(&self.kept(backups::list(&self.home.auth()))?),
            Command::WhatsappRemoveBackup { name, yes } => self.remove_backup(&name, yes),
            Command::WhatsappResend { chat, yes } => {
                let failed = self.waiting_out.1;
                if chat.is_none() && !yes && failed > 0 {
                    let what = format!("send {} again, however old", count(failed, "text", "texts"));
                    return Err(Trouble::NeedsYes { what });
                }
                let again = self.resend(chat).await;
                json_of(&json!({"count": self.kept(again)?}))
            }
            Command::Reconnect {} => {
                self.send_channel(ToChannel::Reconnect);
                done()
            }
            Command::Chats {} => json_of(&self.kept(self.store.read(chats::list).await)?),
            Command::ChatsTrace { id, chat, limit } => self.trace(id, chat, limit).await,
            Command::GroupsList {} => json_of(&self.groups.values().map(GroupStatus::from).collect::<Vec<_>>()),
            Command::GroupsRegister(registration) => self.register(registration).await,
            Command::GroupsSet { target, trigger, requires_trigger, mounts, timeout, tools, default_tools } => {
                let mut group = self.group_named(&target)?.clone();
                if let Some(trigger) = trigger.as_deref().map(str::trim) {
                    if trigger.chars().count() > LONGEST_NAME {
                        return Err(Trouble::BadName);
                    }
                    group.trigger = (!trigger.is_empty()).then(|| trigger.to_owned());
                }
                group.requires_trigger = requires_trigger.unwrap_or(group.requires_trigger) && !group.is_main();
                if group.broken.take().is_some() {
                    group.tools = None;
                }
                group.mounts = mounts.unwrap_or(group.mounts);
                group.timeout = timeout.or(group.timeout).filter(|timeout| *timeout != 0);
                group.tools = tools.or(group.tools).filter(|_| !default_tools);
                self.configure(group).await
            }
            Command::GroupsRemove { target } => self.remove(&target).await,
            Command::GroupsMoveMain { jid } => self.move_main(jid).await,
            Command::ContainersList {} => {
                self.send_engine(ToEngine::Measure);
                json_of(&self.facts().runs)
            }
            Command::ContainersStart { target } => {
                let folder = self.group_named(&target)?.folder.clone();
                self.tell_queue(Event::KeepWarm(folder)).await;
                done()
            }
            Command::ContainersStop { target } => self.stop(&target, Stopped::Dropped(Seq::MAX)),
            Command::ContainersRestart { target } => self.stop(&target, Stopped::Restart),
            Command::Send { to, text, any } => self.send(to, &text, any).await,
            Command::TasksList {} => json_of(&self.kept(self.store.read(tasks::list).await)?),
            Command::TasksAdd { group, prompt, schedule, value, context } => {
                let group = self.group_named(&group)?.clone();
                json_of(&self.add_task(group, &prompt, schedule, value, context).await?)
            }
            Command::TasksPreview { schedule, value } => self.preview(&schedule, &value),
            Command::TasksPause { id } => self.pause_task(&id).await.and_then(|()| done()),
            Command::TasksResume { id } => self.resume_task(&id).await.and_then(|()| done()),
            Command::TasksCancel { id } => self.cancel_task(&id).await.and_then(|()| done()),
            Command::TasksRun { id } => self.run_task(&id).await.and_then(|()| done()),
            Command::TasksHistory { id } => {
                let id = self.task(&id).await?.id;
                json_of(&self.kept(self.store.read(move |db| tasks::history(db, &id)).await)?)
            }
            Command::EngineStart {} => self.start_engine(),
            Command::ImageBuild { build_args, wait: _ } => self.build_image(build_args),
            Command::ImageCancel {} => self.cancel_build(),
            Command::ImageStatus {} => self.image_status(),
            Command::KiroRemoveEntry {} => self.remove_entry(),
            Command::KiroLogin { method, start_url, region, browser, yes } => {
                self.kiro_login(method.map(|method| Way { method, start_url, region }), browser, yes).await
            }
            Command::KiroLoginCancel {} => self.kiro_login_cancel(),
            Command::KiroLogout { .. } => self.kiro_logout(),
            Command::KiroMode { mode, yes } => self.kiro_mode(mode, yes).await,
            // Answered later (`kiro_asked`), or beside the loop (`show_log`).
            Command::KiroCheck {}
            | Command::KiroKey { .. }
            | Command::Logs { .. }
            | Command::LogsFind(_)
            | Command::LogsRuns { .. } => done(),
            Command::SettingsGet { key } => {
                let mut shown = settings::get(&self.home, key.as_deref())?;
                for one in &mut shown {
                    one.pending = Some(self.used.get(one.name).is_some_and(|used| *used != one.value));
                }
                json_of(&shown)
            }
            Command::SettingsForgets { days } => {
                let count = match self.kept(retention::before(days.into(), now()))? {
                    Some(before) => self.kept(self.store.read(move |db| retention::count(db, before)).await)?,
                    None => 0,
                };
                Ok(json!({"count": count}))
            }
            Command::SettingsSet { key, value } => self.set_setting(&key, &value),
            Command::AllowlistGet {} => json_of(&allowlist::shown(&self.home.places())),
            Command::AllowlistSet(new) => {
                let shown = allowlist::keep(&self.home.places(), &new)?;
                self.look_at_extra_mounts().await;
                json_of(&shown)
            }
            Command::Pause {} => self.pause(true).await,
            Command::Resume {} => self.pause(false).await,
            Command::Quit { yes } => self.end(yes, End::Quit).await,
            Command::Restart { yes } => self.end(yes, End::Restart).await,
        }
    }

    async fn end(&mut self, yes: bool, end: End) -> Answer {
        if !yes && self.is_at_work() {
            return Err(Trouble::NeedsYes { what: "interrupt an agent at work".to_owned() });
        }
        // Who asked for the end does not want it to come back.
        if self.wanted != Wanted::Quitting || end == End::Quit {
            self.end = end;
        }
        self.wanted = Wanted::Quitting;
        self.tell_queue(Event::Quit).await;
        done()
    }

    fn is_at_work(&self) -> bool {
        let mut states = self.runs.keys().filter_map(|id| self.queue.run_state(id));
        states.any(|state| matches!(state, RunState::Starting | RunState::Working))
    }

    fn preview(&self, schedule: &str, value: &str) -> Answer {
        let zone = &self.settings.zone;
        let now = now();
        let times = schedule::upcoming(schedule, value, zone, now, PREVIEW)
            .map_err(|error| Trouble::BadTask { reason: error.to_string() })?;
        let local = now.to_zoned(zone.clone());
        let told = |at: &Timestamp| json!({"at": rfc3339(*at), "text": moment(&at.to_zoned(zone.clone()), &local)});
        Ok(json!({"zone": zone.iana_name(), "times": times.iter().map(told).collect::<Vec<_>>()}))
    }

    /// What was wrong with it in the file is so no more.
    fn set_setting(&mut self, key: &str, value: &str) -> Answer {
        let shown = settings::set(&self.home, key, value)?;
        let is_mended = |trouble: &Trouble| matches!(trouble, Trouble::BadSetting { key: bad, .. } if bad == key);
        self.recorded.retain(|trouble| !is_mended(trouble));
        json_of(&shown)
    }

    async fn trace(&self, id: Option<String>, chat: Option<String>, limit: Option<u32>) -> Answer {
        let under_way = UnderWay {
            sent: self.in_flight.values().cloned().collect(),
            queued: self.queued.values().flatten().map(|(seq, at)| (*seq, *at)).collect(),
        };
        if let Some(chat) = chat {
            let jid = self.group_named(&chat).map_or_else(|_| Jid::new(chat.clone()), |group| group.jid.clone());
            return json_of(&self.kept(self.store.read(move |db| trace::newest(db, &jid, limit, &under_way)).await)?);
        }
        let id = id.unwrap_or_default();
        let wanted = id.clone();
        let path = self.kept(self.store.read(move |db| trace::path(db, &wanted, &under_way)).await)?;
        json_of(&path.ok_or_else(|| Trouble::UnknownMessage { id: id.chars().take(64).collect() })?)
    }

    fn start_engine(&mut self) -> Answer {
        if self.engine.state == EngineState::Ready {
            return done();
        }
        let Some(starter) = self.starter.clone() else {
            let reason = "nothing on this computer is known to start it".to_owned();
            return Err(Trouble::EngineNotStarted { reason });
        };
        self.note_engine_not_started(None);
        self.send_engine(ToEngine::StartEngine(starter));
        done()
    }

    pub(super) fn note_engine_not_started(&mut self, reason: Option<String>) {
        self.recorded.retain(|trouble| !matches!(trouble, Trouble::EngineNotStarted { .. }));
        self.recorded.extend(reason.map(|reason| Trouble::EngineNotStarted { reason }));
    }

    /// Until the next code, the next try, or a link.
    pub(super) fn note_pairing_failed(&mut self, failure: Option<PairingFailure>) {
        self.recorded.retain(|trouble| !matches!(trouble, Trouble::PairingFailed { .. }));
        let next_at = self.next_code_at;
        self.recorded.extend(failure.map(|failure| Trouble::PairingFailed { failure, next_at }));
    }

    fn pair(&mut self, phone: Option<String>, cancel: bool, yes: bool) -> Answer {
        if cancel {
            self.note_pairing_failed(None);
            self.send_channel(ToChannel::CancelPairing);
            return done();
        }
        let phone = match phone {
            Some(typed) => Some(phone_digits(&typed).ok_or(Trouble::BadPhone { phone: typed })?),
            None => None,
        };
        let linked = matches!(
            self.link.state(),
            LinkState::Connecting | LinkState::Connected | LinkState::Offline | LinkState::Replaced
        );
        if linked && !yes {
            return Err(Trouble::AlreadyLinked);
        }
        if phone.is_some()
            && let Some(until) = self.next_code_at.filter(|at| *at > now())
        {
            return Err(Trouble::TooManyCodes { until });
        }
        self.note_pairing_failed(None);
        self.send_channel(ToChannel::Pair { phone });
        done()
    }

    /// W4
    fn remove_backup(&self, name: &str, yes: bool) -> Answer {
        let auth = self.home.auth();
        if !self.kept(backups::list(&auth))?.iter().any(|backup| backup.name == name) {
            return Err(Trouble::UnknownBackup { name: name.to_owned() });
        }
        if !yes {
            return Err(Trouble::NeedsYes { what: format!("delete the former sign-in {name} for good") });
        }
        self.kept(backups::remove(&auth, name))?;
        done()
    }

    pub(super) async fn register(&mut self, registration: Registration) -> Answer {
        let Registration { jid, name, folder, trigger, no_trigger, mounts, timeout, tools } = registration;
        if is_ignored(&jid) {
            return Err(Trouble::UnknownChat { jid: jid.to_string() });
        }
        let name = name.trim().to_owned();
        let fits = |text: &str| !text.is_empty() && text.chars().count() <= LONGEST_NAME;
        if !fits(&name) || trigger.as_deref().is_some_and(|trigger| !fits(trigger.trim())) {
            return Err(Trouble::BadName);
        }
        let folder = Folder::new(&folder).map_err(|error| Trouble::BadFolder { reason: error.to_string() })?;
        if self.group_of(&jid).is_some() {
            return Err(Trouble::AlreadyRegistered { jid: jid.to_string() });
        }
        if self.groups.contains_key(&folder) {
            return Err(Trouble::FolderTaken { folder: folder.to_string() });
        }
        let requires_trigger = !no_trigger && !folder.is_main();
        let group = Group { trigger, requires_trigger, mounts, timeout, tools, ..Group::new(jid, &name, folder) };
        self.checked(&group)?;
        let added = group.clone();
        let all = self.kept(
            self.store
                .write(move |db| {
                    groups::add(db, &added, now())?;
                    groups::list(db)
                })
                .await,
        )?;
        self.take_groups(all).await;
        self.snapshots_old = true;
        json_of(&GroupStatus::from(&group))
    }

    /// Keeps a chat's container settings; its next run has them.
    async fn configure(&mut self, group: Group) -> Answer {
        self.checked(&group)?;
        let changed = group.clone();
        let all = self.kept(
            self.store
                .write(move |db| {
                    groups::configure(db, &changed)?;
                    groups::list(db)
                })
                .await,
        )?;
        self.take_groups(all).await;
        json_of(&GroupStatus::from(&group))
    }

    fn checked(&self, group: &Group) -> Result<(), Trouble> {
        group.check(&self.home.places().user).map_err(|reason| Trouble::BadContainerSettings { reason })
    }

    /// R10
    fn remove_entry(&mut self) -> Answer {
        let kiro = kiro::folder(&self.home.places(), &self.settings);
        let agent = kiro::agent_name(&kiro, &self.settings);
        let removed = kiro::files::remove_entries(&kiro, agent.as_deref(), now());
        self.check_kiro_files();
        json_of(&self.kept(removed.context("the entry can't be removed"))?)
    }

    async fn remove(&mut self, target: &str) -> Answer {
        let group = self.group_named(target)?.clone();
        if let Some(run) = self.queue.run_of(&group.folder).cloned() {
            self.stop_run(&run, Stopped::Dropped(Seq::MAX));
        }
        let (jid, trigger) = (group.jid.clone(), Trigger::of(&group, &self.settings.assistant_name));
        let all = self.kept(
            self.store
                .write(move |db| {
                    let waiting = messages::owed(db, &jid, cursors::get(db, &jid)?, &trigger)?;
                    trace::give_up(db, waiting, now(), NOT_REGISTERED)?;
                    groups::remove(db, &jid)?;
                    groups::list(db)
                })
                .await,
        )?;
        self.take_groups(all).await;
        self.snapshots_old = true;
        self.queued.remove(&group.folder);
        self.tell_queue(Event::Dropped(group.folder.clone())).await;
        let given_up = self.give_up_tasks(&group.folder, NOT_REGISTERED).await;
        self.kept(given_up)?;
        done()
    }

    async fn move_main(&mut self, jid: Jid) -> Answer {
        if is_ignored(&jid) {
            return Err(Trouble::UnknownChat { jid: jid.to_string() });
        }
        // A run works for a folder: the two that change hands end first, and what they were at goes back.
        let concerned = [Some(Folder::main()), self.group_of(&jid).map(|group| group.folder.clone())];
        for folder in concerned.iter().flatten() {
            if let Some(run) = self.queue.run_of(folder).cloned() {
                self.stop_run(&run, Stopped::Restart);
            }
        }
        let all = self.kept(
            self.store
                .write(move |db| {
                    let name = chats::list(db)?.into_iter().find(|chat| chat.jid == jid).map(|chat| chat.name);
                    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| jid.to_string());
                    groups::move_main(db, &jid, &name, now())?;
                    groups::list(db)
                })
                .await,
        )?;
        self.take_groups(all).await;
        self.snapshots_old = true;
        // What waited for a chat under its old folder waits under the new one.
        for folder in concerned.into_iter().flatten() {
            let Some(group) = self.groups.get(&folder).cloned() else { continue };
            let owed = self.owed(&group).await;
            if owed.as_ref().is_ok_and(Vec::is_empty) {
                continue;
            }
            self.queued.insert(folder.clone(), owed.into_iter().flatten().map(|seq| (seq, now())).collect());
            self.tell_queue(Event::Message(folder)).await;
        }
        done()
    }

    fn stop(&mut self, target: &str, how: Stopped) -> Answer {
        let run = self.run_named(target)?;
        self.stop_run(&run, how);
        done()
    }

    async fn send(&mut self, to: Jid, text: &str, any: bool) -> Answer {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > LONGEST_TEXT {
            return Err(Trouble::EmptyText);
        }
        if is_ignored(&to) {
            return Err(Trouble::UnknownChat { jid: to.to_string() });
        }
        if !any && self.group_of(&to).is_none() {
            return Err(Trouble::NotRegistered { jid: to.to_string() });
        }
        let id = run::message_id(&format!("send {to} {}", now().as_nanosecond()), 0, 0);
        let text = prompt::signed(text, &self.settings.assistant_name, self.settings.own_number);
        let said = self.say(Outgoing { id: id.clone(), chat: to, text }, None).await;
        self.kept(said)?;
        Ok(json!({ "id": id }))
    }

    /// Holds at once, and over restarts where it can be kept.
    async fn pause(&mut self, paused: bool) -> Answer {
        if self.wanted != Wanted::Quitting {
            self.wanted = if paused { Wanted::Paused } else { Wanted::Running };
            self.tell_queue(Event::Paused(paused)).await;
            let kept = self.store.write(move |db| store::Flag::Paused.set(db, paused)).await;
            self.kept(kept)?;
        }
        done()
    }

    pub(super) fn group_named(&self, target: &str) -> Result<&Group, Trouble> {
        self.groups
            .values()
            .find(|group| group.folder.as_str() == target || group.jid.as_str() == target)
            .ok_or_else(|| Trouble::UnknownGroup { target: target.to_owned() })
    }

    fn run_named(&self, target: &str) -> Result<RunId, Trouble> {
        self.runs
            .iter()
            .find(|(id, run)| [id.as_str(), &run.container, run.folder.as_str(), run.chat.as_str()].contains(&target))
            .map(|(id, _)| id.clone())
            .ok_or_else(|| Trouble::UnknownContainer { target: target.to_owned() })
    }

    /// What the store could not do, as a person sees it.
    pub(super) fn kept<T>(&self, result: Result<T>) -> Result<T, Trouble> {
        result.map_err(|error| {
            tracing::error!("{error:#}");
            Trouble::Internal { reason: format!("{error:#}") }
        })
    }
}

pub(super) fn done() -> Answer {
    Ok(json!({}))
}

pub(super) fn json_of(value: &impl Serialize) -> Answer {
    serde_json::to_value(value).map_err(|error| Trouble::Internal { reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use nanoclaw_core::status::EngineState;

    use crate::orchestrator::world::{World, jid};

    #[tokio::test]
    async fn what_waits_for_chats_that_change_folders_goes_on() {
        // C3
        for waiting in ["main", "bob"] {
            let mut world = World::with_chats(&["main", "bob"]).await;
            world.state.engine.state = EngineState::Absent;
            world.state.tell_ready().await;
            world.hears(waiting).await;
            world.state.move_main(jid("bob")).await.unwrap();
            world.state.engine.state = EngineState::Ready;
            world.state.tell_ready().await;
            let served: Vec<_> = world.state.runs.values().map(|run| run.chat.clone()).collect();
            assert_eq!(served, [jid(waiting)]);
        }
    }
}
