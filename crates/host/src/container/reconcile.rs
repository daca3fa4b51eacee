//! Ends containers of this install that nobody here runs any more (Q6).
//!
//! Must not touch a container that doesn't carry this install's label. Called by the connection, before it says that the
//! engine is ready, and by a run that could not see its own container end.

use std::{collections::HashSet, time::Duration};

use bollard::{
    Docker,
    errors::Error,
    models::ContainerSummary,
    query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder},
};
use futures_util::future::join_all;

use super::spec::{LABEL_INSTALL, LABEL_RUN};

/// What a leftover gets between SIGTERM and the kill (Q6).
const GRACE: Duration = Duration::from_secs(15);

/// Stops and removes, all at once, this install's containers except those of the runs in `keep`.
///
/// # Errors
/// When the containers can't be listed. One that can't be stopped is logged, and doesn't hold up the others.
pub(super) async fn reap_all_but(docker: &Docker, install: &str, keep: &HashSet<String>) -> Result<(), Error> {
    let ours = list(docker, vec![label(LABEL_INSTALL, install)]).await?;
    let run = |container: &ContainerSummary| container.labels.as_ref()?.get(LABEL_RUN).cloned();
    let left = ours.into_iter().filter(|container| !run(container).is_some_and(|run| keep.contains(&run)));
    join_all(left.map(|container| end(docker, container))).await;
    Ok(())
}

/// Stops and removes whatever there is of one run.
///
/// # Errors
/// When the containers can't be listed.
pub(super) async fn reap_run(docker: &Docker, install: &str, run: &str) -> Result<(), Error> {
    let left = list(docker, vec![label(LABEL_INSTALL, install), label(LABEL_RUN, run)]).await?;
    join_all(left.into_iter().map(|container| end(docker, container))).await;
    Ok(())
}

/// How many containers this install has.
pub(super) async fn count(docker: &Docker, install: &str) -> Result<usize, Error> {
    Ok(list(docker, vec![label(LABEL_INSTALL, install)]).await?.len())
}

fn label(name: &str, value: &str) -> String {
    format!("{name}={value}")
}

async fn list(docker: &Docker, labels: Vec<String>) -> Result<Vec<ContainerSummary>, Error> {
    let filters = [("label", labels)].into();
    docker.list_containers(Some(ListContainersOptionsBuilder::new().all(true).filters(&filters).build())).await
}

async fn end(docker: &Docker, container: ContainerSummary) {
    let Some(id) = container.id else { return };
    let name = container.names.and_then(|names| names.into_iter().next()).unwrap_or_default();
    tracing::info!(container = name.trim_start_matches('/'), "Removing a container that was left behind");
    let ended = async {
        stop(docker, &id, GRACE).await?;
        remove(docker, &id).await
    };
    if let Err(error) = ended.await {
        tracing::warn!(%error, container = name, "A container that was left behind can't be removed");
    }
}

/// SIGTERM, and a kill after `grace`. One that doesn't run, or is gone, is stopped.
pub(super) async fn stop(docker: &Docker, id: &str, grace: Duration) -> Result<(), Error> {
    // The engine counts whole seconds; a little more grace does no harm.
    let seconds = i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
    unless_gone(docker.stop_container(id, Some(StopContainerOptionsBuilder::new().t(seconds).build())).await)
}

async fn remove(docker: &Docker, id: &str) -> Result<(), Error> {
    unless_gone(docker.remove_container(id, Some(RemoveContainerOptionsBuilder::new().force(true).build())).await)
}

/// 404: it is gone. 409: the engine is removing it already, as it does by itself after the end.
fn unless_gone(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
        other => other,
    }
}
