//! What the edge costs over the bare engine (design, B1's floor). A measurement, run by name:
//! `cargo nextest run -p nanoclaw-host --test engine --run-ignored all --no-capture latency`.

use std::time::{Duration, Instant};

use bollard::{
    models::{ContainerCreateBody, HostConfig},
    query_parameters::{AttachContainerOptionsBuilder, CreateContainerOptions},
};
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;

use crate::scene::{Scene, remove};

const ROUNDS: usize = 20;
const ANSWER: &str = "frame(result='here')\nline()";

async fn bare(scene: &Scene) -> Duration {
    let request = scene.run("main", ANSWER).request.to_line();
    let began = Instant::now();
    let body = ContainerCreateBody {
        image: Some(scene.image.clone()),
        open_stdin: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        host_config: Some(HostConfig { auto_remove: Some(true), init: Some(true), ..Default::default() }),
        ..Default::default()
    };
    let id = scene.docker.create_container(None::<CreateContainerOptions>, body).await.unwrap().id;
    let options = AttachContainerOptionsBuilder::new().stdin(true).stdout(true).stream(true).build();
    let mut attached = scene.docker.attach_container(&id, Some(options)).await.unwrap();
    scene.docker.start_container(&id, None).await.unwrap();
    attached.input.write_all(request.as_bytes()).await.unwrap();
    attached.output.next().await.unwrap().unwrap();
    let took = began.elapsed();
    remove(&scene.docker, &id).await;
    took
}

async fn edge(scene: &mut Scene) -> Duration {
    let spec = scene.run("main", ANSWER);
    let began = Instant::now();
    let run = scene.start(spec);
    scene.output(&run).await;
    let took = began.elapsed();
    scene.stop(&run, Duration::ZERO);
    scene.ended(&run).await;
    took
}

#[tokio::test]
#[ignore = "a measurement"]
async fn latency() {
    let mut scene = Scene::ready().await;
    let (mut floor, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        floor.push(bare(&scene).await);
        ours.push(edge(&mut scene).await);
    }
    floor.sort();
    ours.sort();
    let (floor, ours) = (floor[ROUNDS / 2], ours[ROUNDS / 2]);
    eprintln!("bare {floor:?}, edge {ours:?}, ratio {:.2}", ours.as_secs_f64() / floor.as_secs_f64());
}
