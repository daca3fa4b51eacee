//! Takes from the engine what this install has there, for good: its containers and its image. Called by `uninstall`.

use std::collections::HashSet;

use bollard::{Docker, errors::Error, query_parameters::RemoveImageOptions};
use nanoclaw_core::{problem::Trouble, settings::Settings};
use serde::Serialize;

use super::{
    discovery::{self, Found},
    image, reconcile,
};

/// What became of the agent's image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Image {
    Removed,
    /// There was none.
    None,
    /// Somebody else made it, or something still needs it.
    Kept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cleared {
    pub containers: usize,
    pub image: Image,
}

/// `install`: its id; without one it has no containers.
///
/// # Errors
/// [`Trouble::EngineAbsent`], or what the engine says.
pub async fn clear(settings: &Settings, install: Option<&str>) -> Result<Cleared, Trouble> {
    let Found::Ready(engine) = discovery::find(settings.engine_socket.as_deref()).await else {
        return Err(Trouble::EngineAbsent { can_start: false });
    };
    let cleared = async {
        let containers = match install {
            Some(install) => containers(&engine.docker, install).await?,
            None => 0,
        };
        Ok(Cleared { containers, image: remove_image(&engine.docker, &settings.agent_image).await? })
    };
    cleared.await.map_err(|error: Error| Trouble::Internal { reason: format!("Docker says: {error}.") })
}

/// How many were ended and removed.
async fn containers(docker: &Docker, install: &str) -> Result<usize, Error> {
    let before = reconcile::count(docker, install).await?;
    reconcile::reap_all_but(docker, install, &HashSet::new()).await?;
    Ok(before.saturating_sub(reconcile::count(docker, install).await?))
}

async fn remove_image(docker: &Docker, name: &str) -> Result<Image, Error> {
    match docker.inspect_image(name).await {
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(Image::None),
        found => drop(found?),
    }
    if !image::is_ours(docker, name).await {
        return Ok(Image::Kept);
    }
    // One that a container still runs from is refused.
    let removed = docker.remove_image(name, None::<RemoveImageOptions>, None).await;
    Ok(if removed.is_ok() { Image::Removed } else { Image::Kept })
}
