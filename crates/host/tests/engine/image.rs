//! The agent's image on a real engine: built, cancelled, refused, failed, old. Each build is of a context of two lines.

use std::{collections::HashMap, path::Path, time::Duration};

use bollard::{
    Docker,
    query_parameters::{
        EventsOptionsBuilder, ListContainersOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptions,
    },
};
use futures_util::StreamExt;
use nanoclaw_core::{
    image::BuildFailure,
    problem::Trouble,
    status::{BuildProgress, EngineState, ImageState},
};
use nanoclaw_host::container::image::Plan;
use tempfile::TempDir;
use tokio::{sync::watch, time::timeout};

use crate::scene::{Scene, clean, engine, image, unique};

const PATIENCE: Duration = Duration::from_secs(60);

/// A place for builds, and the name of the image that they make.
struct Site {
    docker: Docker,
    place: TempDir,
    image: String,
}

impl Site {
    fn new() -> Self {
        Site {
            docker: engine(),
            place: tempfile::tempdir().unwrap(),
            image: format!("nanoclaw-build-test:{}", unique()),
        }
    }

    /// A build of `dockerfile`, `FROM` the tests' base image. Its first own step is no other test's: what one removes at its
    /// end, with all that led to it, is not what another has just found in the engine's cache.
    fn plan(&self, dockerfile: &str) -> Plan {
        let dockerfile = format!("FROM nanoclaw-test-base:latest\nLABEL test={}\n{dockerfile}\n", self.image);
        let context = nanoclaw_context::pack(&[("Dockerfile".to_owned(), dockerfile.into_bytes())]);
        Plan {
            socket: None,
            image: self.image.clone(),
            arguments: [("SAID".to_owned(), unique())].into(),
            context: (Vec::leak(context), "tests"),
            own_files: self.path("image"),
            log: self.path("logs/image-build.log"),
        }
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.place.path().join(below)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("logs/image-build.log")).unwrap()
    }

    async fn failure(&self, plan: &Plan) -> BuildFailure {
        match plan.build(|_| {}).await {
            Err(Trouble::ImageNotBuilt { failure }) => failure,
            other => panic!("{other:?}\n{}", self.log()),
        }
    }

    async fn id(&self) -> Option<String> {
        self.docker.inspect_image(&self.image).await.ok()?.id
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let image = self.image.clone();
        clean(async move |docker| {
            let _ = docker.remove_image(&image, Some(RemoveImageOptionsBuilder::new().force(true).build()), None).await;
        });
    }
}

#[tokio::test]
async fn steps_are_told_and_the_image_is_labelled() {
    let site = Site::new();
    std::fs::create_dir_all(site.path("image/kiro-cli")).unwrap();
    std::fs::write(site.path("image/kiro-cli/own"), "my own").unwrap();
    let plan = site.plan("ARG SAID\nCOPY kiro-cli /given\nRUN grep -q own /given/own && echo \"it says $SAID\"");
    let mut steps = Vec::new();
    let built = plan.build(|step: BuildProgress| steps.push((step.step, step.of, step.text))).await.unwrap();
    assert_eq!(built.id, site.id().await);
    assert_eq!(built.state, ImageState::Stale, "its context is another than this program's");
    let numbers: Vec<_> = steps.iter().map(|(step, ..)| *step).collect();
    assert_eq!(numbers, (1..=steps[0].1).collect::<Vec<_>>(), "{steps:?}");
    assert_eq!(steps[3].2, "copying files");
    let labels = site.docker.inspect_image(&site.image).await.unwrap().config.unwrap().labels.unwrap();
    assert_eq!(labels["com.nanoclaw.context"], "tests");
    let log = site.log();
    assert!(log.contains(&format!("it says {}", plan.arguments["SAID"])) && log.ends_with("Built.\n"), "{log}");
}

// Q7: the image that is there stays until the new one is whole, and then nothing is left of it.
#[tokio::test]
async fn the_old_image_stays_until_the_new_one_is_there() {
    let site = Site::new();
    let old = site.plan("RUN echo one").build(|_| {}).await.unwrap().id.unwrap();
    let failure = site.failure(&site.plan("RUN exec >&2; echo two; echo it broke; exit 3")).await;
    let BuildFailure::Step { step: 3, said, .. } = &failure else { panic!("{failure:?}") };
    assert_eq!(said, "two · it broke");
    assert_eq!(site.id().await, Some(old.clone()));
    assert!(site.log().contains("it broke"), "{}", site.log());
    let new = site.plan("RUN echo three").build(|_| {}).await.unwrap().id.unwrap();
    assert_ne!(new, old);
    assert!(site.docker.inspect_image(&old).await.is_err(), "the nameless one is removed");
    // One that somebody gave another name is theirs.
    let kept = format!("{}-kept", site.image);
    let (repo, tag) = kept.split_once(':').unwrap();
    let options = TagImageOptions { repo: Some(repo.to_owned()), tag: Some(tag.to_owned()) };
    site.docker.tag_image(&site.image, Some(options)).await.unwrap();
    site.plan("RUN echo four").build(|_| {}).await.unwrap();
    assert_eq!(site.docker.inspect_image(&kept).await.unwrap().id, Some(new));
    site.docker.remove_image(&kept, None::<bollard::query_parameters::RemoveImageOptions>, None).await.unwrap();
}

#[tokio::test]
async fn failures_are_told_apart() {
    let site = Site::new();
    let check = async |dockerfile: &str, fits: fn(&BuildFailure) -> bool| {
        let failure = site.failure(&site.plan(dockerfile)).await;
        assert!(fits(&failure), "{dockerfile}: {failure:?}");
    };
    use BuildFailure::*;
    check("RUN echo 'kiro.zip: FAILED'; exit 1", |failure| *failure == Checksum).await;
    check("RUN echo 'curl: (6) Could not resolve host: x' >&2; exit 6", |failure| matches!(failure, Network { .. }))
        .await;
    check("RUN dd if=/dev/zero of=/dev/full count=1", |failure| *failure == DiskFull).await;
    check("NOPE", |failure| matches!(failure, Other { .. })).await;
    // No registry can be reached here, or none has this name.
    check("FROM localhost:1/nanoclaw/no-such-image", |failure| matches!(failure, Network { .. } | NoBase { .. })).await;
    assert_eq!(site.id().await, None);
    // A link to nothing can't be read.
    std::fs::create_dir_all(site.path("image/kiro-cli")).unwrap();
    std::os::unix::fs::symlink("nowhere", site.path("image/kiro-cli/kiro-cli")).unwrap();
    check("", |failure| matches!(failure, OwnFiles { .. })).await;
    let absent = Plan { socket: Some("/nonexistent/docker.sock".to_owned()), ..site.plan("") };
    assert_eq!(absent.build(|_| {}).await, Err(Trouble::EngineAbsent { can_start: false }));
}

// A build that nobody wants any more ends on the engine, too; meanwhile a second one is refused.
#[tokio::test]
async fn dropped_it_is_cancelled() {
    let site = Site::new();
    let plan = site.plan("ARG SAID\nLABEL com.nanoclaw.test=$SAID\nRUN sleep 300");
    let (told, mut steps) = watch::channel(String::new());
    let build = tokio::spawn({
        let plan = plan.clone();
        async move { plan.build(|step| told.send_modify(|text| *text = step.text)).await }
    });
    let label = format!("com.nanoclaw.test={}", plan.arguments["SAID"]);
    until_containers(&site.docker, &label, 1).await;
    timeout(PATIENCE, steps.wait_for(|text| text == "RUN sleep 300")).await.expect("the step is not told").unwrap();
    assert_eq!(site.plan("").build(|_| {}).await, Err(Trouble::ImageIsBeingBuilt));
    build.abort();
    until_containers(&site.docker, &label, 0).await;
    assert_eq!(site.id().await, None);
    site.plan("").build(|_| {}).await.unwrap();
}

/// Waits, by the engine's own events, until so many containers with a label run.
async fn until_containers(docker: &Docker, label: &str, count: usize) {
    let filters: HashMap<_, _> = [("type", vec!["container".to_owned()])].into();
    let mut events = docker.events(Some(EventsOptionsBuilder::new().since("0").filters(&filters).build()));
    let filters: HashMap<_, _> = [("label", vec![label.to_owned()])].into();
    let running = ListContainersOptionsBuilder::new().filters(&filters).build();
    let seen = async {
        while docker.list_containers(Some(running.clone())).await.unwrap().len() != count {
            events.next().await.unwrap().unwrap();
        }
    };
    timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("never {count} containers with {label}"));
}

// The edge tells that an image is old, and of what happens to it, by the engine's events.
#[tokio::test]
async fn an_image_of_another_version_is_told() {
    let site = Site::new();
    let base = image(&site.docker).await;
    let mut scene = Scene::with(site.docker.clone(), site.image.clone(), unique(), None);
    let ready = scene.status(EngineState::Ready).await;
    assert_eq!((ready.image.state, ready.image.id), (ImageState::Missing, None));
    // Nobody has labelled this one.
    let (repo, tag) = site.image.split_once(':').unwrap();
    let options = TagImageOptions { repo: Some(repo.to_owned()), tag: Some(tag.to_owned()) };
    site.docker.tag_image(&base, Some(options)).await.unwrap();
    scene.image_state(ImageState::Ready).await;
    // It is somebody's, and keeps its name.
    assert!(matches!(site.failure(&site.plan("")).await, BuildFailure::Theirs { .. }));
    remove(&site.docker, &site.image).await;
    let built = site.plan("").build(|_| {}).await.unwrap();
    assert_eq!(scene.image_state(ImageState::Stale).await.image.id, built.id);
    remove(&site.docker, &base).await;
    assert!(Path::new(&site.path("logs/image-build.log")).is_file());
}

async fn remove(docker: &Docker, image: &str) {
    let _ = docker.remove_image(image, Some(RemoveImageOptionsBuilder::new().force(true).build()), None).await;
}
