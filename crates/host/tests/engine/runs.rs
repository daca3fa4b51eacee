//! What goes into a run and comes out of it (R3, R4, R6, R7), how it is stopped (R5), and what keeps it from starting.

use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bollard::query_parameters::{RemoveImageOptions, TagImageOptionsBuilder};
use nanoclaw_core::status::ImageState;
use nanoclaw_host::ports::{FromEngine, RunEnd};
use nanoclaw_protocol::Cause;
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use crate::scene::{Scene, read};

const GRACE: Duration = Duration::from_secs(20);

fn exited(code: i64) -> RunEnd {
    RunEnd::Exited { code, stderr: String::new() }
}

/// Answers each follow-up by its text.
const ECHO: &str = "
frame(result='ready')
while True:
    message = json.loads(line())
    frame(turn=message.get('turn'), result='echo ' + message.get('text', ''))
";

// R3: the request is one line, whatever is in it; so is each follow-up; what is secret goes no other way.
#[tokio::test]
async fn lines_go_in() {
    let mut scene = Scene::ready().await;
    let mut spec = scene.run("main", &format!("# two\n# lines\nframe(result=json.dumps(request))\n{ECHO}"));
    // Longer than any pipe on the way.
    spec.request.session_id = Some("x".repeat(1 << 20));
    spec.max_output = 8 << 20;
    let (log, expect) = (spec.log.clone(), spec.request.clone());
    let run = scene.start(spec);
    // Before it can have started: nothing that is said is lost.
    scene.say(&run, 2, "one\ntwo");
    let request: Value = serde_json::from_str(&scene.text(&run).await).unwrap();
    assert_eq!(request, serde_json::to_value(expect).unwrap());
    assert_eq!(request["secrets"]["KIRO_API_KEY"], "ksk-hidden");

    scene.say(&run, 3, &"long ".repeat(100_000));
    scene.say(&run, 4, "last");
    let last =
        |event: &FromEngine| matches!(event, FromEngine::Output { output, .. } if output.turn == Some(4)).then_some(());
    scene.wait("last answer", last).await;
    let results = scene.results(&run);
    assert_eq!((results[2].as_str(), results[4].as_str()), ("echo one\ntwo", "echo last"));
    assert_eq!(results[3].len(), 5 + 500_000);

    let container = scene.started(&run).await;
    let inspected = serde_json::to_string(&scene.inspect(&container).await).unwrap();
    assert!(!inspected.contains("ksk-hidden") && !inspected.contains("KIRO_API_KEY"));
    scene.stop(&run, GRACE);
    assert_eq!(scene.ended(&run).await, exited(143));
    let log = read(log);
    assert!(log.contains("exit code: 143") && !log.contains("ksk-hidden") && !log.contains("# two"), "{log}");
}

// R4: frames over chunks, bad ones between; all of it comes before the end.
#[tokio::test]
async fn frames_come_out() {
    let mut scene = Scene::ready().await;
    let prompt = r#"
stdout = os.fdopen(1, 'wb', 0)
for byte in '---NANOCLAW_OUTPUT_START---\n{"status": "success", "result": "pièce"}\n---NANOCLAW_OUTPUT_END---\n'.encode():
    stdout.write(bytes([byte]))
stdout.write(b'---NANOCLAW_OUTPUT_START---\nnonsense\n---NANOCLAW_OUTPUT_END---\n')
frame(status='error', error='no credits', cause='quota')
for n in range(500):
    frame(turn=n, result=f'{n} ' + 'x' * 1000)
stdout.write(b'---NANOCLAW_OUTPUT_START---\n')
os._exit(0)
"#;
    let run = scene.start(scene.run("main", prompt));
    assert_eq!(scene.ended(&run).await, exited(0));
    let results = scene.results(&run);
    assert_eq!((results.len(), results[0].as_str()), (501, "pièce"));
    assert!(results[500].starts_with("499 "));
    let cause = |event: &FromEngine| match event {
        FromEngine::Output { output, .. } => output.cause,
        _ => None,
    };
    assert_eq!(scene.wait("cause", cause).await, Cause::Quota);
}

// R4: results that come too fast for the loop end in a failure; the engine still ends the container.
#[tokio::test]
async fn too_many_results() {
    let mut scene = Scene::ready().await;
    let run = scene.start(scene.run("main", "for n in range(3000): frame(result=str(n))"));
    assert_eq!(scene.ended(&run).await, exited(0));
    let results = scene.results(&run);
    assert!((500..1500).contains(&results.len()), "{}", results.len());
    let error = |event: &FromEngine| match event {
        FromEngine::Output { output, .. } => output.error.clone(),
        _ => None,
    };
    assert_eq!(scene.wait("the failure", error).await, "too many results");
}

// R4, R7: a bad end tells its code and the last words.
#[tokio::test]
async fn a_bad_end() {
    let mut scene = Scene::ready().await;
    let prompt = "
print('starting kiro-cli', flush=True)
frame(result='a reply')
print('é' * 300 + ' ksk-hidden the end', file=sys.stderr)
sys.exit(7)";
    let spec = scene.run("main", prompt);
    let log = spec.log.clone();
    let run = scene.start(spec);
    let RunEnd::Exited { code: 7, stderr } = scene.ended(&run).await else { panic!("it exits with 7") };
    assert_eq!(stderr.chars().count(), 200);
    assert!(stderr.starts_with('é') && stderr.ends_with(" [secret] the end"), "{stderr}");
    let log = read(log);
    for present in ["group: main", "main: true", "exit code: 7", "truncated: no", "starting kiro-cli", "the end"] {
        assert!(log.contains(present), "{present} not in {log}");
    }
    assert!(!log.contains("a reply") && !log.contains("ksk-hidden"), "{log}");
}

// R4, and facts: docker: exit codes of containers that end at once; a name that is in use is not the end.
#[tokio::test]
async fn many_at_once_by_one_name() {
    let mut scene = Scene::ready().await;
    // Those that wait have their names until all have one.
    for waits in ["line()\n", ""] {
        let runs: Vec<String> = (0..10)
            .map(|code| {
                let mut spec = scene.run("main", &format!("{waits}sys.exit({code})"));
                spec.container = format!("nanoclaw-{}-1700000000000", scene.install);
                scene.start(spec)
            })
            .collect();
        let mut containers = Vec::new();
        for run in &runs {
            containers.push(scene.started(run).await);
        }
        for (code, run) in runs.iter().enumerate() {
            scene.say(run, 2, "end");
            assert_eq!(scene.ended(run).await, exited(code as i64));
        }
        if !waits.is_empty() {
            containers.sort();
            let expect: Vec<String> = (0..10).map(|n| format!("nanoclaw-{}-170000000000{n}", scene.install)).collect();
            assert_eq!(containers, expect);
        }
    }
}

// R5: SIGTERM first, and what the runner still has to say is heard.
#[tokio::test]
async fn a_graceful_stop() {
    let mut scene = Scene::ready().await;
    let prompt = "
def end(*_):
    frame(result='last words')
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
frame(result='ready')
line()";
    let run = scene.start(scene.run("main", prompt));
    scene.output(&run).await;
    let asked = Instant::now();
    scene.stop(&run, GRACE);
    assert_eq!(scene.ended(&run).await, exited(0));
    assert!(asked.elapsed() < GRACE);
    assert_eq!(scene.results(&run), ["ready", "last words"]);
}

// R5: who doesn't listen is killed after the grace.
#[tokio::test]
async fn a_kill() {
    let mut scene = Scene::ready().await;
    let prompt = "
signal.signal(signal.SIGTERM, signal.SIG_IGN)
frame(result='ready')
while True: time.sleep(60)";
    let run = scene.start(scene.run("main", prompt));
    scene.output(&run).await;
    let asked = Instant::now();
    scene.stop(&run, Duration::from_millis(1500));
    assert_eq!(scene.ended(&run).await, exited(137));
    assert!(asked.elapsed() >= Duration::from_millis(1500));
    scene.nothing_is_left().await;
}

// R5: a stop that comes before the container runs is not lost.
#[tokio::test]
async fn a_stop_at_once() {
    let mut scene = Scene::ready().await;
    let run = scene.start(scene.run("main", "line()"));
    scene.stop(&run, GRACE);
    assert!(matches!(scene.ended(&run).await, RunEnd::Exited { .. }));
}

// R6: a flood is drained and dropped; memory doesn't grow with it, what comes after it is heard, and others go on.
#[tokio::test]
async fn a_flood() {
    let mut scene = Scene::ready().await;
    let echo = scene.start(scene.run("family", ECHO));
    scene.output(&echo).await;
    let before = resident();
    // It ends no sooner than it is told to.
    let prompt = "
import threading
end = threading.Event()
threading.Thread(target=lambda: (line(), end.set())).start()
chunk = b'flood ' * 10000 + b'\\n'
n = 0
while n < 2000 or not end.is_set():
    os.write(1, chunk)
    os.write(2, chunk)
    n += 1
frame(result='after')
sys.exit(1)";
    let mut spec = scene.run("main", prompt);
    spec.max_output = 64 << 10;
    let log = spec.log.clone();
    let run = scene.start(spec);
    scene.started(&run).await;
    scene.say(&echo, 2, "during");
    let answered =
        |event: &FromEngine| matches!(event, FromEngine::Output { output, .. } if output.turn == Some(2)).then_some(());
    scene.wait("answer", answered).await;
    assert_eq!(scene.results(&run), [""; 0], "the flood is under way");
    scene.say(&run, 2, "end");
    let RunEnd::Exited { code: 1, stderr } = scene.ended(&run).await else { panic!("it exits with 1") };
    assert!(stderr.ends_with("flood"));
    assert_eq!(scene.results(&run), ["after"]);
    let grown = resident().saturating_sub(before);
    assert!(grown < 32 << 20, "grew by {grown} bytes in a flood of 240 MB and more");
    let log = read(log);
    assert!(log.contains("truncated: stdout, stderr") && log.len() < 160 << 10, "{}", log.len());
    assert_eq!(log.matches("[output truncated]").count(), 2);
}

/// Bytes.
fn resident() -> u64 {
    let status = read("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

// Q1, R3: a container that doesn't read holds up nobody, not even its own stop.
#[tokio::test]
async fn a_deaf_container() {
    let mut scene = Scene::ready().await;
    let deaf = scene.start(scene.run("main", "frame(result='deaf')\ntime.sleep(600)"));
    scene.output(&deaf).await;
    for turn in 0..20 {
        scene.say(&deaf, turn, &"x".repeat(1 << 20));
    }
    let echo = scene.start(scene.run("family", ECHO));
    assert_eq!(scene.text(&echo).await, "ready");
    scene.stop(&deaf, GRACE);
    assert_eq!(scene.ended(&deaf).await, exited(143));
    // For a run that is gone: dropped.
    scene.say(&deaf, 99, "still there?");
}

// R1: no image is a reason, and a status; it comes back by itself.
#[tokio::test]
async fn no_image() {
    let mut scene = Scene::ready().await;
    assert!(scene.image_state(ImageState::Ready).await.image.id.is_some());
    let kept = scene.image.replace("nanoclaw-engine-test:", "nanoclaw-engine-test:kept-");
    let tag = |name: &str| {
        TagImageOptionsBuilder::new().repo("nanoclaw-engine-test").tag(name.split(':').nth(1).unwrap()).build()
    };
    scene.docker.tag_image(&scene.image, Some(tag(&kept))).await.unwrap();
    scene.forget();
    scene.docker.remove_image(&scene.image, None::<RemoveImageOptions>, None).await.unwrap();
    assert_eq!(scene.image_state(ImageState::Missing).await.image.id, None);
    let run = scene.start(scene.run("main", "frame()"));
    let RunEnd::NotStarted { reason } = scene.ended(&run).await else { panic!("it ran without an image") };
    assert!(reason.contains(&scene.image), "{reason}");

    scene.docker.tag_image(&kept, Some(tag(&scene.image))).await.unwrap();
    scene.image_state(ImageState::Ready).await;
    scene.docker.remove_image(&kept, None::<RemoveImageOptions>, None).await.unwrap();
    let run = scene.start(scene.run("main", "frame(result='back')"));
    assert_eq!(scene.text(&run).await, "back");
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Lines;

    fn make_writer(&self) -> Lines {
        self.clone()
    }
}

// T7: the healthy sign. R7: at debug level, and there alone, what was said is in the run's log.
#[tokio::test]
async fn what_is_logged() {
    let lines = Lines::default();
    let log =
        tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_ansi(false).with_writer(lines.clone());
    let _logging = tracing::subscriber::set_default(log.finish());
    let mut scene = Scene::ready().await;
    let spec = scene.run("main", "frame(result='a reply')");
    let log = spec.log.clone();
    let run = scene.start(spec);
    assert_eq!(scene.ended(&run).await, exited(0));
    let container = scene.started(&run).await;
    let told = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let sign = format!(r#"Spawning agent process runtime="docker" group="main" container="{container}""#);
    assert!(told.lines().any(|line| line.contains("INFO") && line.contains(&sign)), "{told}");
    assert!(!told.contains("ksk-hidden"));
    let log = read(log);
    assert!(log.contains("frame(result='a reply')") && log.contains(r#""result":"a reply""#), "{log}");
    assert!(!log.contains("ksk-hidden"), "{log}");
}
