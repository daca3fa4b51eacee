//! Containers beside the runs: kiro-cli of the agent's image, asked or signed in as main's agent would have it – the same
//! image, user, mounts and environment (K1, K2). They are no runs (Q6).
//!
//! Must not: outlive its bound. `timeout` inside ends it also where NanoClaw has gone. Called by the Kiro edge.

use std::time::Duration;

use bollard::{
    Docker,
    container::LogOutput,
    errors::Error,
    models::ContainerCreateBody,
    query_parameters::{CreateContainerOptionsBuilder, ResizeContainerTTYOptionsBuilder},
};
use futures_util::StreamExt;
use jiff::Timestamp;
use nanoclaw_core::{kiro::Secret, mounts::Mount};
use tokio::{io::AsyncWriteExt, runtime::Handle, time::timeout};

use super::{
    discovery::{self, Found},
    reconcile::{reap_run, stop},
    run::{Attached, attach},
    spec::{self, next_name},
};
use crate::kiro::{LONGEST, Line, Mute, PLAIN, SIZE, Said, Terminal, silent};

const KIRO: &str = "/usr/local/bin/kiro-cli";
/// Between SIGTERM and a kill: kiro-cli may be writing its token.
const GRACE: Duration = Duration::from_secs(5);
/// Bytes of each output that are kept.
const LONGEST_OUTPUT: usize = 64 << 10;
const NAMES: usize = 100;

/// What such a container is made from.
#[derive(Clone, Debug)]
pub struct Aside {
    /// Of the label `com.nanoclaw.install`.
    pub install: String,
    /// ENGINE_SOCKET.
    pub socket: Option<String>,
    pub image: String,
    pub mounts: Vec<Mount>,
    pub env: Vec<(String, String)>,
    pub memory: u64,
    pub cpus: u64,
    pub pids: u64,
    /// Handed over by stdin, as a run has it (K4).
    pub key: Option<Secret>,
}

impl Aside {
    /// Asks kiro-cli once. Within `patience` and some seconds the container is gone.
    ///
    /// # Errors
    /// When there is no container to ask in, or no answer in time.
    pub async fn ask(&self, arguments: &[&str], patience: Duration) -> Result<Said, Mute> {
        let mut made = None;
        let answer = timeout(patience, self.asked(arguments, patience, &mut made)).await.unwrap_or_else(|_| {
            let seconds = patience.as_secs();
            Err(Mute::Other(match made {
                Some(_) => silent(patience),
                None => format!("Docker gave no answer within {seconds} seconds."),
            }))
        });
        match made {
            Some(made) if answer.is_err() => made.end().await,
            Some(made) => made.forget(),
            None => {}
        }
        answer
    }

    async fn asked(&self, arguments: &[&str], patience: Duration, made: &mut Option<Made>) -> Result<Said, Mute> {
        let docker = self.engine().await.map_err(Mute::Other)?;
        let lives = format!("{}", patience.as_secs() + 2);
        let mut command = vec!["timeout", "-k", "5", &lives];
        if self.key.is_some() {
            // The key comes by stdin, and is in kiro-cli's own environment alone.
            command.extend([
                "/bin/sh",
                "-c",
                r#"IFS= read -r KIRO_API_KEY; export KIRO_API_KEY; exec "$0" "$@" </dev/null"#,
            ]);
        }
        command.push(KIRO);
        command.extend(arguments);
        let body = self.body("whoami", &command, false, &PLAIN);
        let asked = async {
            let (id, Attached { mut streams, mut exit }) = self.create(&docker, "whoami", body, made).await?;
            docker.start_container(&id, None).await?;
            if let Some(key) = &self.key {
                let _ = streams.input.write_all(format!("{}\n", key.0).as_bytes()).await;
                let _ = streams.input.flush().await;
            }
            let mut said = Said { exit: None, stdout: String::new(), stderr: String::new() };
            let keep = |text: &mut String, message: &[u8]| {
                if text.len() < LONGEST_OUTPUT {
                    text.push_str(&String::from_utf8_lossy(message));
                }
            };
            while let Some(Ok(chunk)) = streams.output.next().await {
                match chunk {
                    LogOutput::StdOut { message } => keep(&mut said.stdout, &message),
                    LogOutput::StdErr { message } => keep(&mut said.stderr, &message),
                    LogOutput::StdIn { .. } | LogOutput::Console { .. } => {}
                }
            }
            exit.as_mut().await;
            said.exit = exit.as_mut().take_output().and_then(Result::ok).and_then(|code| i32::try_from(code).ok());
            Ok::<_, Error>(said)
        };
        asked.await.map_err(|error| Mute::Other(refusal(&error)))
    }

    /// Starts kiro-cli at a terminal.
    ///
    /// # Errors
    /// Why there is no container for it.
    pub async fn terminal(&self, arguments: &[String], environment: &[(&str, &str)]) -> Result<Terminal, String> {
        let docker = self.engine().await?;
        let lives = format!("{}", LONGEST.as_secs() + 30);
        let mut command = vec!["timeout", "--foreground", "-k", "5", &lives, KIRO];
        command.extend(arguments.iter().map(String::as_str));
        let environment: Vec<_> = PLAIN.iter().chain(environment).copied().collect();
        let body = self.body("login", &command, true, &environment);
        let mut made = None;
        let begun = async {
            let (id, attached) = self.create(&docker, "login", body, &mut made).await?;
            docker.start_container(&id, None).await?;
            Ok((id, attached))
        };
        let (id, attached) = begun.await.map_err(|error| refusal(&error))?;
        let (rows, columns) = SIZE;
        let size = ResizeContainerTTYOptionsBuilder::new().h(i32::from(rows)).w(i32::from(columns)).build();
        // Narrower, it breaks no line by itself.
        let _ = docker.resize_container_tty(&id, size).await;
        let (terminal, Line { output, mut input, mut left }) = Terminal::new();
        tokio::spawn(async move {
            let Attached { mut streams, .. } = attached;
            loop {
                tokio::select! {
                    chunk = streams.output.next() => match chunk {
                        Some(Ok(chunk)) => drop(output.send(chunk.into_bytes().to_vec()).await),
                        Some(Err(_)) | None => break,
                    },
                    Some(typed) = input.recv() => {
                        let _ = streams.input.write_all(&typed).await;
                        let _ = streams.input.flush().await;
                    }
                    _ = &mut left => break,
                }
            }
            if let Some(made) = made {
                made.end().await;
            }
        });
        Ok(terminal)
    }

    async fn engine(&self) -> Result<Docker, String> {
        match discovery::find(self.socket.as_deref()).await {
            Found::Ready(engine) => Ok(engine.docker),
            Found::Starting(_) | Found::Forbidden | Found::Nothing => Err("Docker does not answer.".to_owned()),
        }
    }

    fn body(&self, kind: &str, command: &[&str], tty: bool, environment: &[(&str, &str)]) -> ContainerCreateBody {
        let own = self.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let env: Vec<_> = own.chain(environment.iter().copied()).collect();
        spec::aside(self, kind, command, tty, &env)
    }

    /// Also where it can't be attached to it is `made`.
    async fn create(
        &self,
        docker: &Docker,
        kind: &str,
        body: ContainerCreateBody,
        made: &mut Option<Made>,
    ) -> Result<(String, Attached), Error> {
        let mut name = format!("nanoclaw-{kind}-{}", Timestamp::now().as_millisecond());
        let mut tries = 0;
        let created = loop {
            tries += 1;
            let body = spec::named(body.clone(), &name);
            match docker.create_container(Some(CreateContainerOptionsBuilder::new().name(&name).build()), body).await {
                Err(Error::DockerResponseServerError { status_code: 409, .. }) if tries < NAMES => {
                    name = next_name(&name)
                }
                created => break created?,
            }
        };
        let left = Left { docker: docker.clone(), install: self.install.clone(), id: created.id.clone(), name };
        *made = Some(Made(Some(left)));
        let attached = attach(docker, &created.id, false).await?;
        Ok((created.id, attached))
    }
}

/// A container that was made. Who turns away from it before its end ends it.
struct Made(Option<Left>);

struct Left {
    docker: Docker,
    install: String,
    id: String,
    name: String,
}

impl Made {
    /// It has ended.
    fn forget(mut self) {
        self.0 = None;
    }

    async fn end(mut self) {
        if let Some(left) = &self.0 {
            left.end().await;
        }
        self.0 = None;
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if let (Some(left), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(async move { left.end().await });
        }
    }
}

impl Left {
    async fn end(&self) {
        let Left { docker, install, id, name } = self;
        let ended = async {
            stop(docker, id, GRACE).await?;
            reap_run(docker, install, name).await
        };
        // It removes itself at its end, and a later start removes what is left.
        match timeout(GRACE * 2, ended).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, container = name, "A container beside the runs can't be removed"),
            Err(_) => tracing::warn!(container = name, "A container beside the runs does not end"),
        }
    }
}

/// Why the engine would not, as a sentence for people.
fn refusal(error: &Error) -> String {
    tracing::warn!(%error, "A container beside the runs can't be started");
    match error {
        Error::DockerResponseServerError { status_code: 404, .. } => "the agent's image is missing.".to_owned(),
        _ => "its container can't be started. NanoClaw's log says why.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::{
        io::{AsyncReadExt, BufReader},
        net::UnixListener,
    };

    use super::*;

    #[tokio::test]
    async fn an_engine_that_hangs_is_not_waited_for() {
        // K1: it says that it is there, and then nothing any more.
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("docker.sock");
        let engine = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            while let Ok((connection, _)) = engine.accept().await {
                tokio::spawn(async move {
                    let mut connection = BufReader::new(connection);
                    let mut heard = Vec::new();
                    while !heard.ends_with(b"\r\n\r\n") {
                        heard.push(connection.read_u8().await?);
                    }
                    if String::from_utf8_lossy(&heard).contains("/_ping") {
                        connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await?;
                    }
                    std::future::pending::<std::io::Result<()>>().await
                });
            }
        });
        let aside = Aside {
            install: "x".to_owned(),
            socket: Some(format!("unix://{}", socket.display())),
            image: "x".to_owned(),
            mounts: Vec::new(),
            env: Vec::new(),
            memory: 1 << 30,
            cpus: 1,
            pids: 100,
            key: None,
        };
        let begun = Instant::now();
        let answer = aside.ask(&["whoami"], Duration::from_secs(2)).await;
        assert!(matches!(&answer, Err(Mute::Other(why)) if why.contains("Docker")), "{answer:?}");
        assert!(begun.elapsed() < Duration::from_secs(60), "the library would wait for two minutes");
    }
}
