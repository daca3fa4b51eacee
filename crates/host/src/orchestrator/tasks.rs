//! Scheduled tasks: planned and changed, claimed when due, run like everything else (S2–S6).

use anyhow::Result;
use nanoclaw_core::{
    group::{Folder, Group},
    problem::Trouble,
    queue::Event,
    schedule::{self, Context, LONGEST_PROMPT, Task, TaskStatus},
};

use super::{State, live::LiveRun, now};
use crate::store::{
    Transaction,
    tasks::{self, Plan, Ran},
};

/// The most tasks that a group may have: an agent plans them, too.
const MOST_TASKS: usize = 200;

/// The task that a run works on.
#[derive(Clone, Debug)]
pub(super) struct TaskOfRun {
    pub id: String,
    pub context: Context,
    /// Its result is kept, and its next time reckoned.
    pub finished: bool,
}

/// What is to be different about a task; `None`: as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TaskChange {
    pub prompt: Option<String>,
    pub schedule: Option<String>,
    pub value: Option<String>,
}

impl State {
    pub(super) async fn add_task(
        &mut self,
        group: Group,
        prompt: &str,
        schedule: String,
        value: String,
        context: Context,
    ) -> Result<Task, Trouble> {
        let prompt = checked_prompt(prompt)?;
        let next_run = self.next_run(&schedule, &value)?;
        let plan = Plan { group: group.folder, chat: group.jid, prompt, schedule, value, context, next_run };
        let task = self
            .change(move |db| {
                let has = |task: &&Task| task.group == plan.group.as_str() && task.status != TaskStatus::Completed;
                if tasks::list(db)?.iter().filter(has).count() >= MOST_TASKS {
                    return Ok(None);
                }
                tasks::add(db, &plan, now()).map(Some)
            })
            .await?;
        task.ok_or_else(|| Trouble::BadTask { reason: format!("this chat has {MOST_TASKS} tasks already") })
    }

    pub(super) async fn pause_task(&mut self, id: &str) -> Result<(), Trouble> {
        let id = self.task(id).await?.id;
        self.change(move |db| tasks::pause(db, &id)).await
    }

    /// Its next time is reckoned from now.
    pub(super) async fn resume_task(&mut self, id: &str) -> Result<(), Trouble> {
        self.update_task(id, TaskChange::default()).await
    }

    pub(super) async fn cancel_task(&mut self, id: &str) -> Result<(), Trouble> {
        let id = self.task(id).await?.id;
        self.change(move |db| tasks::remove(db, &id)).await
    }

    /// Changes a task; it is active then. A paused one stays paused unless nothing but its resuming was asked for.
    pub(super) async fn update_task(&mut self, id: &str, change: TaskChange) -> Result<(), Trouble> {
        let mut task = self.task(id).await?;
        if let Some(prompt) = &change.prompt {
            task.prompt = checked_prompt(prompt)?;
        }
        if change == TaskChange::default() || task.status == TaskStatus::Completed {
            task.status = TaskStatus::Active;
        }
        task.schedule = change.schedule.unwrap_or(task.schedule);
        task.value = change.value.unwrap_or(task.value);
        let next_run = self.next_run(&task.schedule, &task.value)?;
        self.change(move |db| tasks::replan(db, &task, next_run)).await
    }

    /// Runs an active task now; one that waits or runs already is not run again.
    pub(super) async fn run_task(&mut self, id: &str) -> Result<(), Trouble> {
        let task = self.task(id).await?;
        if task.status != TaskStatus::Active {
            return Err(Trouble::TaskNotActive { id: task.id });
        }
        let id = task.id.clone();
        let claimed = self.change(move |db| tasks::claim(db, &id, now())).await?;
        if claimed {
            let queued = self.queue_task(task).await;
            self.kept(queued)?;
        }
        Ok(())
    }

    pub(super) async fn task(&self, id: &str) -> Result<Task, Trouble> {
        let wanted = id.to_owned();
        self.kept(self.store.read(move |db| tasks::get(db, &wanted)).await)?
            .ok_or_else(|| Trouble::UnknownTask { id: id.chars().take(64).collect() })
    }

    /// Changes the store in one transaction, and tells the scheduler.
    async fn change<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T, Trouble> {
        let changed = self.store.write(work).await;
        let changed = self.kept(changed)?;
        let planned = self.reschedule().await;
        self.kept(planned)?;
        Ok(changed)
    }

    fn next_run(&self, kind: &str, value: &str) -> Result<jiff::Timestamp, Trouble> {
        schedule::next(kind, value, &self.settings.zone, now())
            .map_err(|error| Trouble::BadTask { reason: error.to_string() })
    }

    /// S1, R8: tasks changed: which comes next, and what agents are told of them.
    pub(super) async fn reschedule(&mut self) -> Result<()> {
        let next = self.store.read(tasks::next).await?;
        self.scheduler.set(next);
        self.snapshots_old = true;
        Ok(())
    }

    /// S2: what is due is claimed, then queued.
    pub(super) async fn tasks_due(&mut self) -> Result<()> {
        // Until this has gone well it is due again and again.
        self.scheduler.put_off(now());
        let due = self.store.write(|db| tasks::claim_due(db, now())).await?;
        // Claimed, each of them is known here alone: none fails with another, and one that does is queued by the next start.
        for task in due {
            if let Err(error) = self.queue_task(task).await {
                self.note_internal(&error);
            }
        }
        self.reschedule().await
    }

    async fn queue_task(&mut self, task: Task) -> Result<()> {
        let has = |group: &&Group| group.folder.as_str() == task.group && group.jid == task.chat;
        match self.groups.values().find(has).map(|group| group.folder.clone()) {
            Some(folder) => self.tell_queue(Event::Task(folder, task.id)).await,
            None => {
                let ran = Ran {
                    started_at: now(),
                    duration: jiff::SignedDuration::ZERO,
                    outcome: Err("The chat is not registered any more.".to_owned()),
                };
                self.end_task(&task.id, ran).await?;
            }
        }
        Ok(())
    }

    /// Keeps what a run came to and reckons the next time (S4).
    async fn end_task(&mut self, id: &str, ran: Ran) -> Result<()> {
        let (id, zone) = (id.to_owned(), self.settings.zone.clone());
        self.store
            .write(move |db| {
                tasks::log_run(db, &id, &ran)?;
                tasks::finish(db, &id, &zone, now())
            })
            .await?;
        self.reschedule().await
    }

    /// A task's run has ended without its result: true when nothing of it is to be tried again.
    pub(super) async fn task_ended(&mut self, run: &LiveRun, dropped: bool, failure: Option<&str>) -> Result<bool> {
        let Some(task) = &run.task else { return Ok(false) };
        if task.finished {
            return Ok(true);
        }
        let error = match (dropped, failure) {
            (true, _) => "It was stopped.",
            (false, Some(failure)) => failure,
            // The engine went away: it waits for its turn again (Q7).
            (false, None) => return Ok(false),
        };
        let ran = ran_of(run, Err(error.to_owned()));
        if dropped {
            self.end_task(&task.id, ran).await?;
        } else {
            let id = task.id.clone();
            self.store.write(move |db| tasks::log_run(db, &id, &ran)).await?;
        }
        Ok(dropped)
    }

    /// What was claimed for a group and can't be run, now or by trying again: how many those were.
    pub(super) async fn give_up_tasks(&mut self, folder: &Folder, reason: &str) -> Result<usize> {
        let (folder, reason, zone) = (folder.clone(), reason.to_owned(), self.settings.zone.clone());
        let given_up = self.store.write(move |db| tasks::give_up(db, &folder, &reason, &zone, now())).await?;
        self.reschedule().await?;
        Ok(given_up.len())
    }
}

/// What a run of a task came to, as of now.
pub(super) fn ran_of(run: &LiveRun, outcome: Result<Option<String>, String>) -> Ran {
    let started_at = run.clock.started_at;
    Ran { started_at, duration: now().duration_since(started_at), outcome }
}

fn checked_prompt(prompt: &str) -> Result<String, Trouble> {
    let prompt = prompt.trim();
    if prompt.is_empty() || prompt.len() > LONGEST_PROMPT {
        return Err(Trouble::BadTask { reason: format!("its prompt is empty or longer than {LONGEST_PROMPT} bytes") });
    }
    Ok(prompt.to_owned())
}
