//! What a run sees of this computer, as far as it is there: R2's table and the extra mounts; and Kiro's files, looked at before
//! a run (R10).

use std::{collections::BTreeMap, path::PathBuf, thread, time::Duration};

use nanoclaw_core::{
    group::{Folder, Group},
    mounts::{self, Mount},
    problem::Trouble,
    settings::Runtime,
};
use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    time::timeout,
};

use super::State;
use crate::{
    container::{self, Extra},
    kiro,
};

/// A look at folders takes this long where one lies on a drive or a network that is gone.
const PATIENCE: Duration = Duration::from_secs(3);

/// A look at the extra mounts that is under way.
pub(super) type Look = oneshot::Receiver<BTreeMap<Folder, Extra>>;

impl State {
    pub(super) async fn mounts(&mut self, group: &Group) -> Vec<Mount> {
        let mut wanted = mounts::mounts(group, self.settings.kiro_mode, &self.home.places());
        if self.settings.runtime == Runtime::Host {
            // The agent is told of its own folders; Kiro's it finds as its user's.
            wanted.retain(|mount| mount.container.starts_with("/workspace/"));
        }
        self.look_at_extra_mounts().await;
        if let Some(extra) = self.extra.get(&group.folder) {
            for trouble in &extra.troubles {
                tracing::warn!(group = %group.folder, "{}", trouble.problem().text);
            }
            wanted.extend(extra.mounts.iter().cloned());
        }
        let (present, missing) = container::prepare(&wanted);
        self.recorded.retain(|trouble| !matches!(trouble, Trouble::MountMissing { path } if present.iter().any(|mount| mount.host.display().to_string() == *path)));
        self.recorded.extend(missing.iter().map(|path| Trouble::MountMissing { path: path.display().to_string() }));
        present
    }

    /// X1–X4: what holds of them now, for all groups, as one's mount may be in another's way. A folder that doesn't answer
    /// holds up no run but for a moment, and what is not known is not mounted.
    pub(super) async fn look_at_extra_mounts(&mut self) {
        let asking: Vec<Group> = self.groups.values().filter(|group| !group.mounts.is_empty()).cloned().collect();
        // Without a container there is nothing to mount into.
        if asking.is_empty() || self.settings.runtime == Runtime::Host {
            self.extra.clear();
            return;
        }
        let told = match self.looking.as_mut().map(oneshot::Receiver::try_recv) {
            // It waits still, for what was asked for then.
            Some(Err(TryRecvError::Empty)) => None,
            Some(_) | None => {
                let looking = self.looking.insert(self.look(asking.clone()));
                timeout(PATIENCE, looking).await.ok().and_then(Result::ok)
            }
        };
        self.extra = match told {
            Some(extra) => extra,
            None => {
                let unknown = Extra { mounts: Vec::new(), troubles: vec![Trouble::MountsNotAnswering] };
                asking.into_iter().map(|group| (group.folder, unknown.clone())).collect()
            }
        };
    }

    /// In a thread that nobody has to wait for: a folder on a network that is gone may never answer.
    fn look(&self, groups: Vec<Group>) -> Look {
        let engine = self.engine.socket.as_deref().map(|address| address.trim_start_matches("unix://"));
        let sockets: Vec<_> = engine.map(PathBuf::from).into_iter().chain([self.home.control_socket()]).collect();
        let live = self.runs.values().flat_map(|run| &run.mounts).filter(|mount| !mount.read_only);
        let live: Vec<_> = live.map(|mount| mount.host.clone()).collect();
        let places = self.home.places();
        let (tell, told) = oneshot::channel();
        let look = move || drop(tell.send(container::extra(&groups, &places, &sockets, &live)));
        if let Err(error) = thread::Builder::new().name("mounts".to_owned()).spawn(look) {
            tracing::error!(%error, "Nobody can look at the extra mounts");
        }
        told
    }

    /// R10: whether a server in the user's files is called as ours is.
    pub(super) fn check_kiro_files(&mut self) {
        let kiro = kiro::folder(&self.home.places(), &self.settings);
        let clashes = kiro::files::clashes(&kiro, kiro::agent_name(&kiro, &self.settings).as_deref());
        self.recorded.retain(|trouble| !matches!(trouble, Trouble::ServerClash { .. }));
        self.recorded.extend(clashes.iter().map(|path| Trouble::ServerClash { path: path.display().to_string() }));
    }
}
