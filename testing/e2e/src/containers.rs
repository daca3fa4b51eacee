//! The engine as a story sees it: the containers that belong to its own scene.
//!
//! Several stories share one engine. A container belongs to a scene if it is labelled as ours and mounts from the
//! scene's folder.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use bollard::errors::Error;
use bollard::models::{ContainerConfig, ContainerCreateBody, ContainerSummary};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, CreateContainerOptions, EventsOptionsBuilder, KillContainerOptions,
    ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
    TagImageOptionsBuilder, UploadToContainerOptionsBuilder,
};
use bollard::{Docker, body_full};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::time::timeout;

use crate::PATIENCE;

const LABEL: &str = "com.nanoclaw.install";

/// The containers of one scene.
pub struct Containers {
    docker: Docker,
    pub(crate) folder: PathBuf,
}

/// One container, running or not.
#[derive(Debug, Clone)]
pub struct Container {
    pub id: String,
    /// Without the leading slash.
    pub name: String,
    /// The engine's word: `created`, `running`, `exited`…
    pub state: String,
    /// All labels, `com.nanoclaw.…` among them.
    pub labels: HashMap<String, String>,
}

impl Container {
    /// The group's folder, from its label.
    pub fn group(&self) -> &str {
        self.labels.get("com.nanoclaw.group").map_or("", String::as_str)
    }

    /// It asks who is signed in to Kiro, or signs in (K1, K2).
    fn is_beside_the_runs(&self) -> bool {
        self.labels.get("com.nanoclaw.kind").is_some_and(|kind| kind == "whoami" || kind == "login")
    }

    pub fn is_running(&self) -> bool {
        self.state == "running"
    }
}

impl Containers {
    /// Of the engine that `DOCKER_HOST` names. `folder`: the scene's.
    pub async fn of(folder: PathBuf) -> Result<Self> {
        let docker = Docker::connect_with_defaults()?;
        docker.ping().await.context("no engine answers: `cargo xtask engine start`, and export its DOCKER_HOST")?;
        Ok(Self { docker, folder })
    }

    /// The runs of the scene that there are now.
    pub async fn list(&self) -> Result<Vec<Container>> {
        Ok(self.all().await?.into_iter().filter(|one| !one.is_beside_the_runs()).collect())
    }

    /// All of the scene: the sign-in's checks too.
    pub async fn all(&self) -> Result<Vec<Container>> {
        let filters = HashMap::from([("label", vec![LABEL])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let all = self.docker.list_containers(Some(options)).await?;
        Ok(all.into_iter().filter(|container| self.is_of_scene(container)).map(Container::from).collect())
    }

    /// Waits until the scene's containers are so, looking again at each of the engine's events.
    pub async fn until(&self, what: &str, holds: impl Fn(&[Container]) -> bool) -> Result<Vec<Container>> {
        let filters = HashMap::from([("label", vec![LABEL])]);
        // The subscription begins with the first look at it, behind the first list: what came between is told again.
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().saturating_sub(1).to_string();
        let mut events = self.docker.events(Some(EventsOptionsBuilder::new().since(&now).filters(&filters).build()));
        let wait = async {
            loop {
                let now = self.list().await?;
                if holds(&now) {
                    return Ok(now);
                }
                events.next().await.context("the engine's events ended")??;
            }
        };
        match timeout(PATIENCE, wait).await {
            Ok(outcome) => outcome,
            Err(_) => anyhow::bail!("not in {PATIENCE:?}: {what}; now: {:?}", self.list().await?),
        }
    }

    /// Everything that the engine knows of one, as its API gives it (`HostConfig`, `Mounts`, `Config`…).
    pub async fn inspect(&self, name: &str) -> Result<Value> {
        Ok(serde_json::to_value(self.docker.inspect_container(name, None).await?)?)
    }

    /// What the engine kept of its output; empty where it keeps none.
    pub async fn log(&self, name: &str) -> String {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
        let pieces: Vec<_> = self.docker.logs(name, Some(options)).collect().await;
        pieces.into_iter().flatten().map(|piece| piece.to_string()).collect()
    }

    /// Kills one behind NanoClaw's back.
    pub async fn kill(&self, name: &str) -> Result<()> {
        Ok(self.docker.kill_container(name, None::<KillContainerOptions>).await?)
    }

    /// Gives an image other labels.
    pub async fn relabel(&self, name: &str, labels: &[(&str, &str)]) -> Result<()> {
        let body = ContainerCreateBody { image: Some(name.to_owned()), ..ContainerCreateBody::default() };
        let container = self.docker.create_container(None::<CreateContainerOptions>, body).await?.id;
        let (repo, tag) = name.split_once(':').context("a name has a tag")?;
        let changes: Vec<String> = labels.iter().map(|(name, value)| format!("LABEL {name}={value}")).collect();
        let options = CommitContainerOptionsBuilder::new().container(&container).repo(repo).tag(tag);
        self.docker.commit_container(options.changes(&changes.join("\n")).build(), ContainerConfig::default()).await?;
        let force = RemoveContainerOptionsBuilder::new().force(true).build();
        Ok(self.docker.remove_container(&container, Some(force)).await?)
    }

    /// Gives an image one more name.
    pub async fn name_image(&self, image: &str, name: &str) -> Result<()> {
        let (repository, tag) = name.split_once(':').context("no tag")?;
        let options = TagImageOptionsBuilder::new().repo(repository).tag(tag).build();
        Ok(self.docker.tag_image(image, Some(options)).await?)
    }

    /// Makes an image like another, where a program that it has is not there.
    pub async fn without(&self, program: &str, like: &str, name: &str) -> Result<()> {
        let body = ContainerCreateBody { image: Some(like.to_owned()), ..ContainerCreateBody::default() };
        let container = self.docker.create_container(None::<CreateContainerOptions>, body).await?.id;
        // A link to nowhere is what a file can be replaced by without a program of the image's.
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_link(&mut link, program.trim_start_matches('/'), "/nowhere")?;
        let into = UploadToContainerOptionsBuilder::new().path("/").build();
        self.docker.upload_to_container(&container, Some(into), body_full(archive.into_inner()?.into())).await?;
        let (repo, tag) = name.split_once(':').context("a name has a tag")?;
        let options = CommitContainerOptionsBuilder::new().container(&container).repo(repo).tag(tag).build();
        self.docker.commit_container(options, ContainerConfig::default()).await?;
        let force = RemoveContainerOptionsBuilder::new().force(true).build();
        Ok(self.docker.remove_container(&container, Some(force)).await?)
    }

    /// Gives an image another name, which is then another's no more.
    pub async fn rename(&self, image: &str, name: &str) -> Result<()> {
        let (repo, tag) = name.split_once(':').context("a name has a tag")?;
        let options = TagImageOptionsBuilder::new().repo(repo).tag(tag).build();
        Ok(self.docker.tag_image(image, Some(options)).await?)
    }

    /// Removes an image that the scene made; its layers stay for the next build.
    pub async fn remove_image(&self, name: &str) -> Result<()> {
        let options = RemoveImageOptionsBuilder::new().force(true).noprune(true).build();
        match self.docker.remove_image(name, Some(options), None).await {
            Ok(_) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes what the scene left.
    pub async fn clear(&self) -> Result<()> {
        let force = RemoveContainerOptionsBuilder::new().force(true).build();
        for container in self.all().await? {
            // An auto-removed container may be gone by itself.
            let _ = self.docker.remove_container(&container.id, Some(force.clone())).await;
        }
        Ok(())
    }

    fn is_of_scene(&self, container: &ContainerSummary) -> bool {
        let mounts = container.mounts.iter().flatten();
        mounts.filter_map(|mount| mount.source.as_ref()).any(|source| PathBuf::from(source).starts_with(&self.folder))
    }
}

impl From<ContainerSummary> for Container {
    fn from(summary: ContainerSummary) -> Self {
        let name = summary.names.unwrap_or_default().into_iter().next().unwrap_or_default();
        Self {
            id: summary.id.unwrap_or_default(),
            name: name.trim_start_matches('/').to_owned(),
            state: summary.state.map(|state| state.to_string()).unwrap_or_default(),
            labels: summary.labels.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::{HostConfig, Mount, MountType};
    use bollard::query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions};

    use super::*;

    /// A container as NanoClaw would start it, mounting `folder`.
    async fn begin(docker: &Docker, name: &str, folder: &std::path::Path) {
        let mount = Mount {
            typ: Some(MountType::BIND),
            source: Some(folder.display().to_string()),
            target: Some("/workspace/group".to_owned()),
            ..Mount::default()
        };
        let body = ContainerCreateBody {
            image: Some(std::env::var("NANOCLAW_TEST_IMAGE").unwrap()),
            entrypoint: Some(vec!["sleep".to_owned(), "600".to_owned()]),
            labels: Some(HashMap::from([
                (LABEL.to_owned(), "an-install".to_owned()),
                ("com.nanoclaw.group".to_owned(), "main".to_owned()),
            ])),
            host_config: Some(HostConfig {
                mounts: Some(vec![mount]),
                auto_remove: Some(true),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        docker.create_container(Some(options), body).await.unwrap();
        docker.start_container(name, None::<StartContainerOptions>).await.unwrap();
    }

    #[tokio::test]
    async fn a_scene_sees_its_own_containers_and_no_others() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (seeing, other) =
            (Containers::of(ours.path().into()).await.unwrap(), Containers::of(theirs.path().into()).await.unwrap());
        let (name, neighbour) = (format!("seen-{}", std::process::id()), format!("unseen-{}", std::process::id()));
        begin(&seeing.docker, &neighbour, theirs.path()).await;
        begin(&seeing.docker, &name, ours.path()).await;

        let there = seeing.until("ours runs", |all| all.iter().any(Container::is_running)).await.unwrap();
        assert_eq!(
            there.iter().map(|one| (one.name.as_str(), one.group())).collect::<Vec<_>>(),
            [(name.as_str(), "main")]
        );
        let inspected = seeing.inspect(&name).await.unwrap();
        assert_eq!(inspected["Mounts"][0]["Destination"], "/workspace/group");

        seeing.kill(&name).await.unwrap();
        seeing.until("ours is gone", <[Container]>::is_empty).await.unwrap();
        assert_eq!(other.list().await.unwrap().len(), 1, "the neighbour's goes on");
        other.clear().await.unwrap();
        other.until("all are gone", <[Container]>::is_empty).await.unwrap();
    }
}
