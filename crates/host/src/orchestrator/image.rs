//! The making of the agent's image, as the loop sees it: one build at a time, a task beside the loop.
//!
//! Dropping the build cancels it, as quitting does. When it has made an image, the engine's own event tells, and what waits
//! goes on (Q7).

use std::collections::BTreeMap;

use nanoclaw_core::{
    command::Answer,
    image::{Build, BuildFailure},
    problem::Trouble,
    settings::Runtime,
    status::{BuildProgress, EngineState, ImageStatus},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{
    State,
    commands::{done, json_of},
};
use crate::container::image::Plan;

#[derive(Debug)]
pub(super) enum FromBuild {
    Progress(BuildProgress),
    Ended(Result<ImageStatus, Trouble>),
}

/// A build under way.
pub(super) struct Building {
    events: mpsc::UnboundedReceiver<FromBuild>,
    /// Who wants to know how it ends.
    askers: Vec<oneshot::Sender<Answer>>,
    /// Ends with this value.
    _task: JoinSet<()>,
}

impl Building {
    fn begin(plan: Plan) -> Self {
        let (tell, events) = mpsc::unbounded_channel();
        let mut task = JoinSet::new();
        task.spawn(async move {
            // Nobody listens any more after a cancel.
            let built = plan.build(|step| drop(tell.send(FromBuild::Progress(step)))).await;
            let _ = tell.send(FromBuild::Ended(built));
        });
        Building { events, askers: Vec::new(), _task: task }
    }

    /// What it says next; a task that broke has lost the engine, as far as anybody can tell.
    pub(super) async fn next(&mut self) -> FromBuild {
        let broken = || FromBuild::Ended(Err(Trouble::ImageNotBuilt { failure: BuildFailure::EngineLost }));
        self.events.recv().await.unwrap_or_else(broken)
    }
}

impl State {
    pub(super) fn build_image(&mut self, arguments: BTreeMap<String, String>) -> Answer {
        if self.settings.runtime == Runtime::Host {
            return Err(Trouble::ImageNotUsed);
        }
        if self.building.is_some() {
            return Err(Trouble::ImageIsBeingBuilt);
        }
        self.building = Some(Building::begin(Plan::agent(&self.home, &self.settings, arguments)));
        self.build = Build::Running(None);
        done()
    }

    /// Answers an asker. Who `waits` for a build that has begun is answered when it has ended.
    pub(super) fn reply(&mut self, waits: bool, reply: oneshot::Sender<Answer>, answer: Answer) {
        match &mut self.building {
            Some(building) if waits && answer.is_ok() => building.askers.push(reply),
            // The asker may have gone.
            _ => drop(reply.send(answer)),
        }
    }

    pub(super) fn cancel_build(&mut self) -> Answer {
        let building = self.building.take().ok_or(Trouble::ImageIsNotBeingBuilt)?;
        tracing::info!("Building the agent's image was cancelled");
        self.build = Build::None;
        answer(building, &Err(Trouble::ImageBuildCancelled));
        done()
    }

    pub(super) fn image_status(&self) -> Answer {
        match self.settings.runtime {
            Runtime::Host => Err(Trouble::ImageNotUsed),
            Runtime::Docker if self.engine.state != EngineState::Ready => {
                Err(Trouble::EngineAbsent { can_start: false })
            }
            Runtime::Docker => json_of(&self.facts().image_status()),
        }
    }

    pub(super) fn build_said(&mut self, said: FromBuild) {
        let result = match said {
            FromBuild::Progress(step) => {
                self.build = Build::Running(Some(step));
                return;
            }
            FromBuild::Ended(result) => result,
        };
        self.build = match &result {
            // The engine's own event tells the same, a moment later.
            Ok(image) => {
                self.engine.image = image.clone();
                Build::None
            }
            Err(Trouble::ImageNotBuilt { failure }) => Build::Failed(failure.clone()),
            // Each is told otherwise: by the engine's own state, by whoever builds.
            Err(Trouble::EngineAbsent { .. } | Trouble::ImageIsBeingBuilt) => Build::None,
            Err(trouble) => Build::Failed(BuildFailure::other(&trouble.problem().text)),
        };
        if let Some(building) = self.building.take() {
            answer(building, &result);
        }
    }

    /// An image that came from elsewhere leaves nothing of a failure.
    pub(super) fn image_seen(&mut self, before: &ImageStatus) {
        if self.engine.image.id != before.id && self.engine.image.serves() && self.building.is_none() {
            self.build = Build::None;
        }
    }
}

fn answer(building: Building, result: &Result<ImageStatus, Trouble>) {
    for asker in building.askers {
        // It may have gone.
        let _ = asker.send(result.as_ref().map_err(Trouble::clone).and_then(json_of));
    }
}
