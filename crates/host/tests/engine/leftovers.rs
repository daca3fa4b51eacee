//! What an earlier process left behind (Q6).

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use bollard::{Docker, models::ContainerCreateBody, query_parameters::CreateContainerOptionsBuilder};
use nanoclaw_core::{
    mounts::{Mount, Owner},
    status::EngineState,
};
use nanoclaw_host::{
    container::{Aside, LABEL_INSTALL, LABEL_RUN},
    ports::{RunEnd, ToEngine},
};
use tokio::time::{sleep, timeout};

use crate::scene::{PATIENCE, Scene, engine, image, remove, unique};

async fn container(docker: &Docker, image: &str, install: Option<&str>, run: bool) -> String {
    let name = unique();
    let labels = install.map(|install| [(LABEL_INSTALL, install), (LABEL_RUN, &name)]);
    let labels = labels.map(|labels| labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    let entrypoint = Some(["sleep", "600"].map(str::to_owned).into());
    let body = ContainerCreateBody { image: Some(image.into()), entrypoint, labels, ..Default::default() };
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    docker.create_container(Some(options), body).await.unwrap();
    if run {
        docker.start_container(&name, None).await.unwrap();
    }
    name
}

// Q6: all of this install's are gone before the engine is said to be ready; nobody else's is touched.
#[tokio::test]
async fn only_ours_are_removed() {
    let docker = engine();
    let image = image(&docker).await;
    let (ours, theirs) = (unique(), unique());
    for run in [true, true, true, true, false] {
        container(&docker, &image, Some(&ours), run).await;
    }
    let other = container(&docker, &image, Some(&theirs), true).await;
    let strange = container(&docker, &image, None, true).await;

    // `sleep` as the first process is deaf to SIGTERM.
    let began = Instant::now();
    let mut scene = Scene::with(docker.clone(), image, ours.clone(), None);
    scene.status(EngineState::Ready).await;
    let took = began.elapsed();
    // One after the other would be 60 s.
    assert!(took >= Duration::from_secs(15) && took < Duration::from_secs(50), "one after the other: {took:?}");
    scene.nothing_is_left().await;
    for kept in [&other, &strange] {
        assert!(scene.inspect(kept).await.state.unwrap().running.unwrap());
        remove(&docker, kept).await;
    }
}

// Q6: a process that ends leaves its containers, and the next one removes them.
#[tokio::test]
async fn a_shutdown_leaves_runs_to_the_next_start() {
    let mut scene = Scene::ready().await;
    let run = scene.start(scene.run("main", "frame(result='here'); line()"));
    scene.output(&run).await;
    scene.command(ToEngine::Shutdown);
    let container = scene.started(&run).await;
    assert!(scene.inspect(&container).await.state.unwrap().running.unwrap());

    let mut next = Scene::with(scene.docker.clone(), scene.image.clone(), scene.install.clone(), None);
    next.status(EngineState::Ready).await;
    next.nothing_is_left().await;
}

// K1: who turns away from a question to Kiro leaves no container that goes on asking.
#[tokio::test]
async fn a_question_that_nobody_waits_for_is_ended() {
    let scene = Scene::ready().await;
    let folder = scene.path("bin");
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join("kiro-cli");
    fs::write(&program, "#!/bin/sh\nexec sleep 600\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let kiro = Mount { host: folder, container: "/usr/local/bin".to_owned(), read_only: true, owner: Owner::Host };
    let aside = Aside {
        install: scene.install.clone(),
        socket: None,
        image: scene.image.clone(),
        mounts: vec![kiro],
        env: Vec::new(),
        memory: 1 << 30,
        cpus: 1,
        pids: 100,
        key: None,
    };
    let asked = tokio::spawn(async move { aside.ask(&["whoami"], Duration::from_secs(600)).await.is_ok() });
    let becomes = async |runs: bool| {
        let seen = async {
            while scene.running().await.is_empty() == runs {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("running: {}", !runs));
    };
    becomes(true).await;
    asked.abort();
    becomes(false).await;
    scene.nothing_is_left().await;
}

// Q6: nothing is left of a run that the engine refused.
#[tokio::test]
async fn a_refused_run_leaves_nothing() {
    let mut scene = Scene::ready().await;
    let mut spec = scene.run("main", "");
    // Created without complaint, refused at the start.
    spec.mounts = vec![nanoclaw_core::mounts::Mount {
        host: scene.path(""),
        container: "/etc/hostname".to_owned(),
        read_only: true,
        owner: nanoclaw_core::mounts::Owner::Host,
    }];
    let run = scene.start(spec);
    assert!(matches!(scene.ended(&run).await, RunEnd::NotStarted { .. }));
    scene.nothing_is_left().await;
}
