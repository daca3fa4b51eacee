//! What is told about all that: the state folded into facts, and published as AppStatus when it changed.

use std::{collections::BTreeSet, sync::Arc};

use nanoclaw_core::{
    group::Group,
    problem::Trouble,
    status::{AppStatus, Facts, QueueStatus, RunState, RunStatus, SchedulerState, SchedulerStatus, Wanted},
};
use tokio::sync::watch;

use super::{State, live::LiveRun, now};

impl State {
    pub(super) fn publish(&self, publish: &watch::Sender<Arc<AppStatus>>) {
        let status = self.facts().status(now());
        publish.send_if_modified(|last| {
            let same = AppStatus { at: last.at, ..status.clone() } == **last;
            if !same {
                *last = Arc::new(status);
            }
            !same
        });
    }

    pub(super) fn facts(&self) -> Facts {
        let (queued_out, failed_out) = self.waiting_out;
        Facts {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            assistant: self.settings.assistant_name.clone(),
            zone: self.settings.zone.iana_name().map(str::to_owned),
            wanted: self.wanted,
            runtime: self.settings.runtime,
            link: self.link.clone(),
            queued_out,
            failed_out,
            answered: self.answered,
            kiro: self.kiro.clone(),
            engine: self.engine.clone(),
            can_start_engine: self.starter.is_some(),
            image: self.settings.agent_image.clone(),
            build: self.build.clone(),
            runs: self.runs.iter().map(|(id, run)| self.run_status(id, run)).collect(),
            queue: self.queue_status(),
            groups: self.groups.values().cloned().collect::<Vec<Group>>(),
            scheduler: SchedulerStatus {
                state: match self.wanted {
                    Wanted::Running => SchedulerState::Running,
                    Wanted::Paused => SchedulerState::Paused,
                    Wanted::Quitting => SchedulerState::Stopped,
                },
                next: self.scheduler.next().cloned(),
            },
            autostart: self.desktop.autostart,
            troubles: self.troubles(),
        }
    }

    /// Each once: a trouble with the mount allowlist is every chat's that asks for extra mounts.
    fn troubles(&self) -> Vec<Trouble> {
        let extra: BTreeSet<&Trouble> = self.extra.values().flat_map(|extra| &extra.troubles).collect();
        let broken = self.broken.keys().map(|part| Trouble::PartFailed { part: (*part).to_owned() });
        let going_on = self.runs.values().filter(|run| run.goes_on);
        let going_on = going_on.map(|run| Trouble::NotStopped { container: run.container.clone() });
        self.recorded.iter().chain(extra).chain(&self.desktop.troubles).cloned().chain(broken).chain(going_on).collect()
    }

    fn run_status(&self, id: &str, run: &LiveRun) -> RunStatus {
        let measured = run.measured.filter(|measured| measured.holds(now()));
        RunStatus {
            id: id.to_owned(),
            container: run.container.clone(),
            group: run.folder.to_string(),
            chat: run.chat.clone(),
            kind: run.clock.kind,
            about: run.about.clone(),
            state: match self.queue.run_state(id) {
                Some(state) if run.is_up => state,
                Some(RunState::Stopping) | None => RunState::Stopping,
                Some(_) => RunState::Starting,
            },
            started_at: run.clock.started_at,
            last_result_at: run.clock.last_result_at,
            memory_bytes: measured.map(|measured| measured.load.memory_bytes),
            cpu_percent: measured.and_then(|measured| measured.cpu_percent),
            mounts: run.mounts.clone(),
        }
    }

    fn queue_status(&self) -> Vec<QueueStatus> {
        self.queue
            .waiting()
            .into_iter()
            .map(|waiting| QueueStatus {
                group: waiting.folder.to_string(),
                messages: u64::from(waiting.messages),
                tasks: waiting.tasks as u64,
                parked: waiting.parked,
                retry_at: waiting.retry_at,
                attempt: waiting.attempt,
            })
            .collect()
    }
}
