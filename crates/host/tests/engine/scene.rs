//! A scene on the engine that `DOCKER_HOST` names: an install of its own, an image whose runner does what the prompt says,
//! and the edge between them. What it made on the engine is removed when it is dropped.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bollard::{
    Docker,
    models::{ContainerConfig, ContainerCreateBody, ContainerInspectResponse},
    query_parameters::{
        CommitContainerOptionsBuilder, CreateContainerOptions, ListContainersOptionsBuilder,
        RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder, WaitContainerOptionsBuilder,
    },
};
use futures_util::StreamExt;
use jiff::Timestamp;
use nanoclaw_core::{
    group::Folder,
    status::{EngineState, EngineStatus, ImageState, RunKind},
};
use nanoclaw_host::{
    container::{Config, LABEL_INSTALL, start},
    ports::{FromEngine, RunEnd, RunSpec, ToEngine},
};
use nanoclaw_protocol::{FollowUp, Output, Request};
use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};

const BASE: &str = "nanoclaw-test-base:latest";
/// The image's entry point: reads the request and does what the prompt says, in Python.
const RUNNER: &str = r#"
import json, os, signal, sys, time
def frame(**output):
    output = {"status": "success", "result": None} | output
    print("---NANOCLAW_OUTPUT_START---\n" + json.dumps(output) + "\n---NANOCLAW_OUTPUT_END---", flush=True)
taken = 0
def line():
    # As the runner: each turn once.
    global taken
    for text in iter(sys.stdin.readline, ""):
        turn = json.loads(text).get("turn", taken + 1) if text.strip() else taken
        if turn > taken:
            taken = turn
            return text
    return ""
request = json.loads(line())
exec(request["prompt"])
"#;
/// A busy machine starts a container in seconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Scene {
    pub docker: Docker,
    pub install: String,
    pub image: String,
    pub place: TempDir,
    commands: mpsc::UnboundedSender<ToEngine>,
    events: mpsc::UnboundedReceiver<FromEngine>,
    /// All events so far, and how many of them count no more.
    seen: Vec<FromEngine>,
    forgotten: usize,
}

pub fn engine() -> Docker {
    Docker::connect_with_defaults()
        .expect("these tests need a Docker engine: run `cargo xtask test`, or set DOCKER_HOST")
}

/// A name that no other test, and no other process, has.
pub fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let millis = Timestamp::now().as_millisecond();
    format!("test-{}-{millis}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Scene {
    /// The edge finds the engine as a user's would, and is ready.
    pub async fn ready() -> Scene {
        let mut scene = Scene::at(None).await;
        scene.status(EngineState::Ready).await;
        scene
    }

    /// `socket`: where the edge looks for the engine.
    pub async fn at(socket: Option<String>) -> Scene {
        let docker = engine();
        docker.ping().await.expect("the Docker engine must answer: run `cargo xtask test`, or set DOCKER_HOST");
        let image = image(&docker).await;
        Scene::with(docker, image, unique(), socket)
    }

    pub fn with(docker: Docker, image: String, install: String, socket: Option<String>) -> Scene {
        let (told, events) = mpsc::unbounded_channel();
        let commands = start(Config { install: install.clone(), socket, image: image.clone() }, told);
        let place = tempfile::tempdir().unwrap();
        Scene { docker, install, image, place, commands, events, seen: vec![], forgotten: 0 }
    }

    /// A run of `prompt` in a group, nothing mounted.
    pub fn run(&self, folder: &str, prompt: &str) -> RunSpec {
        let run = unique();
        let group = self.place.path().join("groups").join(folder);
        std::fs::create_dir_all(&group).unwrap();
        RunSpec {
            container: format!("nanoclaw-{folder}-{}", Timestamp::now().as_millisecond()),
            folder: Folder::new(folder).unwrap(),
            kind: RunKind::Messages,
            mounts: vec![],
            request: Request {
                turn: 1,
                prompt: prompt.into(),
                session_id: None,
                group_folder: folder.into(),
                chat_jid: "1@g.us".into(),
                is_main: folder == "main",
                tools: None,
                is_scheduled_task: false,
                idle_timeout: 300_000,
                secrets: [("KIRO_API_KEY".to_owned(), "ksk-hidden".to_owned())].into(),
            },
            image: self.image.clone(),
            env: vec![("TZ".into(), "Asia/Tokyo".into())],
            memory: 512 << 20,
            cpus: 1,
            pids: 64,
            max_output: 1 << 20,
            max_logs: 1 << 20,
            log: group.join(format!("logs/agent-{run}.log")),
            run,
        }
    }

    pub fn command(&self, command: ToEngine) {
        self.commands.send(command).unwrap();
    }

    pub fn start(&self, spec: RunSpec) -> String {
        let run = spec.run.clone();
        self.command(ToEngine::Start(Box::new(spec)));
        run
    }

    pub fn say(&self, run: &str, turn: u64, text: &str) {
        let follow_up = FollowUp::Message { turn, text: text.into() };
        self.command(ToEngine::Write { run: run.into(), follow_up });
    }

    pub fn stop(&self, run: &str, grace: Duration) {
        self.command(ToEngine::Stop { run: run.into(), grace });
    }

    /// What was told so far counts no more.
    pub fn forget(&mut self) {
        self.forgotten = self.seen.len();
    }

    /// The first event that counts and fits, now or later.
    pub async fn wait<T>(&mut self, what: &str, fits: impl Fn(&FromEngine) -> Option<T>) -> T {
        if let Some(found) = self.seen[self.forgotten..].iter().find_map(&fits) {
            return found;
        }
        let next = async {
            loop {
                let event = self.events.recv().await.expect("the edge runs");
                self.seen.push(event);
                if let Some(found) = self.seen.last().and_then(&fits) {
                    return found;
                }
            }
        };
        let Ok(found) = timeout(PATIENCE, next).await else { panic!("no {what} among {:#?}", self.seen) };
        found
    }

    pub async fn status(&mut self, state: EngineState) -> EngineStatus {
        self.wait("status", |event| match event {
            FromEngine::Status(status) if status.state == state => Some(status.clone()),
            _ => None,
        })
        .await
    }

    pub async fn image_state(&mut self, state: ImageState) -> EngineStatus {
        self.wait("image", |event| match event {
            FromEngine::Status(status) if status.image.state == state => Some(status.clone()),
            _ => None,
        })
        .await
    }

    /// The name that the container was given.
    pub async fn started(&mut self, id: &str) -> String {
        self.wait("start", |event| match event {
            FromEngine::Started { run, container } if run == id => Some(container.clone()),
            _ => None,
        })
        .await
    }

    /// The first output of a run that counts.
    pub async fn output(&mut self, id: &str) -> Output {
        self.wait("output", |event| match event {
            FromEngine::Output { run, output, .. } if run == id => Some(output.clone()),
            _ => None,
        })
        .await
    }

    pub async fn text(&mut self, id: &str) -> String {
        self.output(id).await.result.unwrap()
    }

    pub async fn ended(&mut self, id: &str) -> RunEnd {
        self.wait("end", |event| match event {
            FromEngine::Ended { run, end } if run == id => Some(end.clone()),
            _ => None,
        })
        .await
    }

    /// All results of a run so far.
    pub fn results(&self, id: &str) -> Vec<String> {
        let result = |event: &FromEngine| match event {
            FromEngine::Output { run, output, .. } if run == id => output.result.clone(),
            _ => None,
        };
        self.seen.iter().filter_map(result).collect()
    }

    pub async fn inspect(&self, container: &str) -> ContainerInspectResponse {
        self.docker.inspect_container(container, None).await.unwrap()
    }

    /// The names of this install's containers that run.
    pub async fn running(&self) -> Vec<String> {
        names(&self.docker, &self.install, true).await
    }

    /// Nothing of this install runs, and what the engine is still removing is removed soon.
    pub async fn nothing_is_left(&self) {
        assert_eq!(self.running().await, [""; 0]);
        for name in names(&self.docker, &self.install, false).await {
            let options = WaitContainerOptionsBuilder::new().condition("removed").build();
            let mut removed = self.docker.wait_container(&name, Some(options)).boxed();
            timeout(PATIENCE, removed.next()).await.unwrap_or_else(|_| panic!("{name} is left"));
        }
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.place.path().join(below)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let (install, image) = (self.install.clone(), self.image.clone());
        clean(async move |docker| {
            for name in names(docker, &install, false).await {
                remove(docker, &name).await;
            }
            let _ = docker.remove_image(&image, Some(RemoveImageOptionsBuilder::new().force(true).build()), None).await;
        });
    }
}

/// Tidies up from a `drop`, where nothing can be awaited.
pub fn clean<F: AsyncFnOnce(&Docker) + Send + 'static>(work: F) {
    let tidy = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { work(&engine()).await });
    });
    let _ = tidy.join();
}

pub async fn remove(docker: &Docker, container: &str) {
    let _ = docker.remove_container(container, Some(RemoveContainerOptionsBuilder::new().force(true).build())).await;
}

/// The names of an install's containers, in whatever state, or of those that run.
pub async fn names(docker: &Docker, install: &str, running: bool) -> Vec<String> {
    let filters = [("label", vec![format!("{LABEL_INSTALL}={install}")])].into();
    let options = ListContainersOptionsBuilder::new().all(!running).filters(&filters).build();
    let containers = docker.list_containers(Some(options)).await.unwrap();
    let name = |names: Option<Vec<String>>| names.unwrap()[0].trim_start_matches('/').to_owned();
    containers.into_iter().map(|container| name(container.names)).collect()
}

/// An image of the runner, for one scene.
pub async fn image(docker: &Docker) -> String {
    let body = ContainerCreateBody { image: Some(BASE.into()), cmd: Some(vec!["true".into()]), ..Default::default() };
    let created = docker.create_container(None::<CreateContainerOptions>, body).await;
    let id = created
        .unwrap_or_else(|error| panic!("the engine must have the image {BASE} (`cargo xtask test`): {error}"))
        .id;
    let tag = unique();
    let options = CommitContainerOptionsBuilder::new().container(&id).repo("nanoclaw-engine-test").tag(&tag).build();
    let entrypoint = ["python3", "-u", "-c", RUNNER].map(str::to_owned).into();
    let config = ContainerConfig { entrypoint: Some(entrypoint), cmd: Some(vec![]), ..Default::default() };
    docker.commit_container(options, config).await.unwrap();
    remove(docker, &id).await;
    format!("nanoclaw-engine-test:{tag}")
}

pub fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}
