//! An engine that isn't there, comes, goes and comes back (Q7).

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use bollard::query_parameters::KillContainerOptions;
use nanoclaw_core::status::{EngineState, ImageState};
use nanoclaw_host::ports::{FromEngine, RunEnd};

use crate::{
    proxy::Proxy,
    scene::{PATIENCE, Scene, unique},
};

const ECHO: &str = "
frame(result='ready')
while True:
    message = json.loads(line())
    frame(turn=message['turn'], result='echo ' + message['text'])
";

fn proxy() -> Proxy {
    // A socket's path is short.
    Proxy::at(std::env::temp_dir().join(format!("{}.sock", unique())))
}

/// With the engine, through what can be cut.
async fn connected() -> (Proxy, Scene) {
    let mut proxy = proxy();
    proxy.open().unwrap();
    let mut scene = Scene::at(Some(proxy.address())).await;
    scene.status(EngineState::Ready).await;
    (proxy, scene)
}

/// The answer to a turn: its number among the run's results, and its text.
fn answer(turn: u64) -> impl Fn(&FromEngine) -> Option<(u64, String)> {
    move |event| match event {
        FromEngine::Output { part, output, .. } if output.turn == Some(turn) => Some((*part, output.result.clone()?)),
        _ => None,
    }
}

// Q7: absent is a state; what is asked meanwhile is no failure; it is ready by itself when it comes.
#[tokio::test]
async fn it_comes() {
    let mut proxy = proxy();
    let mut scene = Scene::at(Some(proxy.address())).await;
    let absent = scene.status(EngineState::Absent).await;
    assert_eq!((absent.name, absent.version, absent.socket), (None, None, None));
    let run = scene.start(scene.run("main", ECHO));
    assert_eq!(scene.ended(&run).await, RunEnd::EngineLost);

    proxy.open().unwrap();
    let opened = Instant::now();
    let ready = scene.status(EngineState::Ready).await;
    assert!(opened.elapsed() < Duration::from_secs(10));
    assert_eq!(ready.name.as_deref(), Some("Docker"));
    assert_eq!(ready.version, scene.docker.version().await.unwrap().version);
    assert_eq!(ready.socket, Some(format!("unix://{}", proxy.address())));
    assert_eq!(ready.image.state, ImageState::Ready);
    let run = scene.start(scene.run("main", ECHO));
    assert_eq!(scene.text(&run).await, "ready");
}

// Q7: a stale socket, and one that accepts and stays silent, are no engine.
#[tokio::test]
async fn somebody_else_answers() {
    let silent = proxy();
    let listener = tokio::net::UnixListener::bind(silent.address()).unwrap();
    let mut scene = Scene::at(Some(silent.address())).await;
    scene.status(EngineState::Starting).await;
    drop(listener);
    scene.status(EngineState::Absent).await;
    std::fs::remove_file(silent.address()).unwrap();
}

// Q7: cut in the middle of a run and gone for long: the run is lost, which is no failure of its own; its container is removed
// when the engine is back.
#[tokio::test]
async fn it_goes_for_long() {
    let (mut proxy, mut scene) = connected().await;
    let run = scene.start(scene.run("main", ECHO));
    scene.output(&run).await;
    let container = scene.started(&run).await;

    scene.forget();
    proxy.cut().await.unwrap();
    // Told at once, before it is known whether it is gone: until then a run would be started again and again.
    scene.status(EngineState::Starting).await;
    scene.status(EngineState::Absent).await;
    assert_eq!(scene.ended(&run).await, RunEnd::EngineLost);
    assert_eq!(scene.running().await, [container]);

    scene.forget();
    proxy.open().unwrap();
    scene.status(EngineState::Ready).await;
    scene.nothing_is_left().await;
    let run = scene.start(scene.run("main", ECHO));
    assert_eq!(scene.text(&run).await, "ready");
}

// Q7, C1: a run whose container outlives a short absence goes on, and nothing that was said on either side is lost or
// counted twice.
#[tokio::test]
async fn it_goes_for_a_moment() {
    let (mut proxy, mut scene) = connected().await;
    // Longer than one line of the engine's log.
    let prompt = format!(
        "frame(turn=1, result='before' * 10000)\nline()\ntime.sleep(1)\nframe(turn=2, result='meanwhile')\n{ECHO}"
    );
    let run = scene.start(scene.run("main", &prompt));
    let before = scene.wait("first answer", answer(1)).await;
    assert_eq!((before.0, before.1.len()), (0, 60_000));
    let killed = scene.start(scene.run("family", ECHO));
    scene.output(&killed).await;
    let its_container = scene.started(&killed).await;
    scene.say(&run, 2, "go on");
    // What is said goes out at once; the engine's answer to another question shows that it had the time.
    scene.docker.ping().await.unwrap();

    proxy.cut().await.unwrap();
    scene.forget();
    scene.say(&run, 3, "said meanwhile");
    scene.docker.kill_container(&its_container, None::<KillContainerOptions>).await.unwrap();
    scene.status(EngineState::Absent).await;
    proxy.open().unwrap();
    scene.status(EngineState::Ready).await;
    assert_eq!(scene.wait("what it said before", answer(1)).await, before);
    assert_eq!(scene.wait("what it said meanwhile", answer(2)).await, (1, "meanwhile".into()));
    assert_eq!(scene.wait("the answer", answer(3)).await, (3, "echo said meanwhile".into()));
    // The one that died meanwhile: nobody knows why, so it is the engine's fault.
    assert_eq!(scene.ended(&killed).await, RunEnd::EngineLost);
    scene.say(&run, 4, "afterwards");
    assert_eq!(scene.wait("the next answer", answer(4)).await, (4, "echo afterwards".into()));
    scene.stop(&run, Duration::from_secs(15));
    assert!(matches!(scene.ended(&run).await, RunEnd::Exited { code: 143, .. }));
}

// Q5, Q7: what was on its way to a run when the connection broke is said again, and taken once.
#[tokio::test]
async fn what_was_said_is_lost_on_its_way() {
    let (mut proxy, mut scene) = connected().await;
    let run = scene.start(scene.run("main", ECHO));
    scene.output(&run).await;
    scene.say(&run, 2, "arrives");
    assert_eq!(scene.wait("an answer", answer(2)).await, (1, "echo arrives".into()));
    proxy.faults.follow_ups.store(true, Ordering::SeqCst);
    scene.say(&run, 3, "is lost");
    tokio::time::timeout(PATIENCE, proxy.faults.lost.notified()).await.expect("it is on its way");

    proxy.cut().await.unwrap();
    scene.status(EngineState::Absent).await;
    proxy.faults.follow_ups.store(false, Ordering::SeqCst);
    proxy.open().unwrap();
    assert_eq!(scene.wait("its answer", answer(3)).await, (2, "echo is lost".into()));
    scene.say(&run, 4, "afterwards");
    assert_eq!(scene.wait("the next answer", answer(4)).await, (3, "echo afterwards".into()));
    scene.stop(&run, Duration::from_secs(15));
    assert!(matches!(scene.ended(&run).await, RunEnd::Exited { code: 143, .. }));
}

// C1: of a run that said more than the engine keeps, the results can't be counted anew: it is given up, and ended.
#[tokio::test]
async fn it_has_said_too_much() {
    let (mut proxy, mut scene) = connected().await;
    let prompt =
        format!("for n in range(30): os.write(2, b'{{\"flood\"}}\\n' * 100000)\nframe(turn=1, result='said')\n{ECHO}");
    let run = scene.start(scene.run("main", &prompt));
    scene.wait("first answer", answer(1)).await;
    proxy.cut().await.unwrap();
    scene.status(EngineState::Absent).await;
    proxy.open().unwrap();
    assert_eq!(scene.ended(&run).await, RunEnd::EngineLost);
    scene.nothing_is_left().await;
}

// Q4, Q7: a run that fails while the engine is slow to answer is a failure of its own.
#[tokio::test]
async fn it_is_slow() {
    let (proxy, mut scene) = connected().await;
    let run = scene.start(scene.run("main", "frame(result='ready')\nline()\nsys.exit(3)"));
    scene.output(&run).await;
    proxy.faults.ping.store(true, Ordering::SeqCst);
    scene.say(&run, 2, "fail");
    assert!(matches!(scene.ended(&run).await, RunEnd::Exited { code: 3, .. }));
}

// R5, Q6: an order to stop that the engine refuses is told, and given again until the container has ended.
#[tokio::test]
async fn it_refuses_to_stop_a_container() {
    let (proxy, mut scene) = connected().await;
    let run = scene.start(scene.run("main", ECHO));
    scene.output(&run).await;
    proxy.faults.stop.store(true, Ordering::SeqCst);
    scene.stop(&run, Duration::from_secs(15));
    scene
        .wait("that it goes on", |event| {
            matches!(event, FromEngine::NotStopped { run: id } if *id == run).then_some(())
        })
        .await;
    proxy.faults.stop.store(false, Ordering::SeqCst);
    assert!(matches!(scene.ended(&run).await, RunEnd::Exited { code: 143, .. }));
}

// Q6, Q7: who quits while the engine is away doesn't wait for it.
#[tokio::test]
async fn a_stop_while_it_is_away() {
    let (mut proxy, mut scene) = connected().await;
    let run = scene.start(scene.run("main", ECHO));
    scene.output(&run).await;
    proxy.cut().await.unwrap();
    scene.status(EngineState::Absent).await;
    let asked = Instant::now();
    scene.stop(&run, Duration::from_secs(15));
    assert_eq!(scene.ended(&run).await, RunEnd::EngineLost);
    assert!(asked.elapsed() < Duration::from_secs(3));
}
