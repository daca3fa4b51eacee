//! The agent's image: whether the engine has it, and its making from the context that this program carries.
//!
//! A build is one call, with or without an orchestrator: dropped, it is cancelled, since the engine ends a build whose asker
//! has gone. The old image stays in use until the new one has its name. The classic builder does it, which every engine has.
//! Must not: decide when to build. Called by the orchestrator and by `nanoclawctl image`; `connection` looks.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use bollard::{
    Docker, body_try_stream,
    errors::Error,
    query_parameters::{BuildImageOptionsBuilder, RemoveImageOptions},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use nanoclaw_core::{
    image::{self, BuildFailure},
    problem::Trouble,
    settings::Settings,
    status::{BuildProgress, ImageStatus},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    discovery::{self, Found},
    image_log::Log,
};
use crate::paths::Home;

/// The context of our own image, as the build script made it.
static CONTEXT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/context.tar"));
/// What it is known by.
pub const IDENTITY: &str = env!("NANOCLAW_CONTEXT");
/// Pieces of the context on their way to the engine.
const PIECES: usize = 8;
const PIECE: usize = 64 << 10;

/// An image to build, and where.
#[derive(Clone, Debug)]
pub struct Plan {
    /// ENGINE_SOCKET.
    pub socket: Option<String>,
    /// AGENT_IMAGE: the name that it gets.
    pub image: String,
    /// The Dockerfile's arguments.
    pub arguments: BTreeMap<String, String>,
    /// A packed context and its identity.
    pub context: (&'static [u8], &'static str),
    /// A folder with the user's own `kiro-cli/` or `prebuilt/`.
    pub own_files: PathBuf,
    pub log: PathBuf,
}

impl Plan {
    /// The agent's image of this NanoClaw.
    pub fn agent(home: &Home, settings: &Settings, arguments: BTreeMap<String, String>) -> Self {
        Plan {
            socket: settings.engine_socket.clone(),
            image: settings.agent_image.clone(),
            arguments,
            context: (CONTEXT, IDENTITY),
            own_files: home.image(),
            log: home.image_log(),
        }
    }

    /// Builds, tells each step, and gives the image. Only one build at a time writes the log: another is refused.
    ///
    /// # Errors
    /// [`Trouble::EngineAbsent`], [`Trouble::ImageIsBeingBuilt`], [`Trouble::ImageNotBuilt`] with the reason.
    pub async fn build(&self, told: impl FnMut(BuildProgress)) -> Result<ImageStatus, Trouble> {
        let Found::Ready(engine) = discovery::find(self.socket.as_deref()).await else {
            return Err(Trouble::EngineAbsent { can_start: false });
        };
        let mut log = Log::begin(&self.log)?;
        let docker = engine.docker;
        let before = look(&docker, &self.image).await.map_err(|error| lost(&error, &mut log))?;
        if let Some(id) = &before.id
            && !is_ours(&docker, id).await
        {
            let failure = BuildFailure::Theirs { image: self.image.clone() };
            log.end(&failure.wording().0);
            return Err(Trouble::ImageNotBuilt { failure });
        }
        tracing::info!(image = self.image, "Building the agent's image");
        if let Err(failure) = self.follow(&docker, &mut log, told).await {
            tracing::warn!(image = self.image, "{}", failure.wording().0);
            return Err(Trouble::ImageNotBuilt { failure });
        }
        let built = look(&docker, &self.image).await.map_err(|error| lost(&error, &mut log))?;
        tracing::info!(image = self.image, "The agent's image is built");
        if let Some(old) = before.id.filter(|old| Some(old) != built.id.as_ref()) {
            remove_nameless(&docker, &old).await;
        }
        Ok(built)
    }

    async fn follow(
        &self,
        docker: &Docker,
        log: &mut Log,
        mut told: impl FnMut(BuildProgress),
    ) -> Result<(), BuildFailure> {
        let (context, identity) = self.context;
        let labels = HashMap::from([(nanoclaw_context::LABEL, identity)]);
        let arguments: HashMap<_, _> = self.arguments.iter().collect();
        let options = BuildImageOptionsBuilder::new()
            .t(&self.image)
            .labels(&labels)
            .buildargs(&arguments)
            .rm(true)
            .forcerm(true)
            .build();
        let (pieces, mut unread) = sent(context, self.own_files.clone());
        let mut said = docker.build_image(options, None, Some(body_try_stream(pieces)));
        let mut at = None;
        while let Some(piece) = said.next().await {
            let error = match piece {
                Ok(piece) => {
                    // What a download says about its bytes is no line.
                    let status = piece.status.filter(|_| piece.progress_detail.is_none()).map(|line| line + "\n");
                    for line in log.take(&(piece.stream.unwrap_or_default() + &status.unwrap_or_default())) {
                        if let Some(step) = image::step(&line) {
                            at = Some(step.clone());
                            told(step);
                            log.next_step();
                        }
                    }
                    continue;
                }
                // A line that this client can't read.
                Err(Error::JsonDataError { .. }) => continue,
                Err(Error::DockerStreamError { error } | Error::DockerResponseServerError { message: error, .. }) => {
                    error
                }
                Err(error) => {
                    let unread = unread.try_recv().ok().map(|error| error.to_string());
                    log.end(unread.as_ref().unwrap_or(&error.to_string()));
                    return Err(unread.map_or(BuildFailure::EngineLost, |said| BuildFailure::OwnFiles { said }));
                }
            };
            log.end(&error);
            return Err(BuildFailure::read(&error, log.of_step(), at.as_ref()));
        }
        log.end("Built.");
        Ok(())
    }
}

fn lost(error: &Error, log: &mut Log) -> Trouble {
    log.end(&error.to_string());
    Trouble::ImageNotBuilt { failure: BuildFailure::EngineLost }
}

/// The image that a name stands for now.
///
/// # Errors
/// When the engine doesn't answer as it should.
pub(crate) async fn look(docker: &Docker, name: &str) -> Result<ImageStatus, Error> {
    match docker.inspect_image(name).await {
        Ok(found) => {
            let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
            Ok(ImageStatus {
                state: image::age(&labels, nanoclaw_context::LABEL, IDENTITY, nanoclaw_protocol::VERSION),
                name: name.to_owned(),
                id: found.id,
                created_at: found.created.and_then(|at| at.parse().ok()),
                progress: None,
            })
        }
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
            Ok(ImageStatus { name: name.to_owned(), ..ImageStatus::default() })
        }
        Err(error) => Err(error),
    }
}

/// The same for those without an orchestrator.
///
/// # Errors
/// [`Trouble::EngineAbsent`].
pub async fn status(settings: &Settings) -> Result<ImageStatus, Trouble> {
    let Found::Ready(engine) = discovery::find(settings.engine_socket.as_deref()).await else {
        return Err(Trouble::EngineAbsent { can_start: false });
    };
    look(&engine.docker, &settings.agent_image).await.map_err(|_| Trouble::EngineAbsent { can_start: false })
}

/// An image that somebody else made must not lose its name.
pub(super) async fn is_ours(docker: &Docker, id: &str) -> bool {
    let steps = docker.image_history(id).await.unwrap_or_default();
    steps.first().is_some_and(|newest| image::is_ours(&newest.created_by, nanoclaw_context::LABEL))
}

/// Removes an image of ours that a newer one has taken the name from, unless something still needs it: each is half a
/// gigabyte.
async fn remove_nameless(docker: &Docker, id: &str) {
    let Ok(old) = docker.inspect_image(id).await else { return };
    if old.repo_tags.is_none_or(|tags| tags.is_empty()) {
        // A container may still run from it.
        let _ = docker.remove_image(id, None::<RemoveImageOptions>, None).await;
    }
}

/// The context as it goes to the engine, and why it can't go on. The user's own files are read meanwhile.
fn sent(
    context: &'static [u8],
    own: PathBuf,
) -> (impl Stream<Item = io::Result<Bytes>> + Send, oneshot::Receiver<io::Error>) {
    let (pieces, mut taken) = mpsc::channel(PIECES);
    let (tell, unread) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let written =
            nanoclaw_context::write_with(context, &own, BufWriter::with_capacity(PIECE, Pieces(pieces.clone())));
        if let Err(error) = written {
            // Nobody takes either where the build has ended.
            let _ = tell.send(error);
            let _ = pieces.blocking_send(Err(io::ErrorKind::Other.into()));
        }
    });
    (stream::poll_fn(move |context| taken.poll_recv(context)), unread)
}

struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(piece)));
        sent.map(|()| piece.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    // What `cargo xtask image` labels its images with is what this program looks for.
    #[test]
    fn the_program_carries_the_sources_as_they_are() {
        let container = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../container");
        let sources = nanoclaw_context::sources(&container).unwrap();
        assert_eq!(IDENTITY, nanoclaw_context::identity(&sources));
        let mut sent = Vec::new();
        nanoclaw_context::write_with(CONTEXT, Path::new("/nonexistent"), &mut sent).unwrap();
        assert_eq!(sent, CONTEXT);
    }
}
