use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
};

use nanoclaw_protocol::ipc::{IpcRequest, RESULTS};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

const SOON: Duration = Duration::from_secs(10);

struct Scene {
    root: TempDir,
    ipc: Ipc,
    events: mpsc::UnboundedReceiver<FromIpc>,
}

fn family() -> Folder {
    Folder::new("family").unwrap()
}

/// A thread over an empty `ipc/`, where family has a run.
async fn scene() -> Scene {
    let root = tempfile::tempdir().unwrap();
    let (sender, events) = mpsc::unbounded_channel();
    let mut ipc = Ipc::start(root.path().canonicalize().unwrap(), BTreeSet::new(), sender).unwrap();
    ipc.live(BTreeSet::from([family()]));
    // Jobs are done in their order: once this one is, the folders are watched.
    ipc.snapshots(family(), Vec::new()).await;
    Scene { root, ipc, events }
}

impl Scene {
    fn group(&self) -> std::path::PathBuf {
        self.root.path().join("family")
    }

    /// As an agent's tool writes it: a name of its own first.
    fn put(&self, below: &str, name: &str, content: &str) {
        let folder = self.group().join(below);
        fs::write(folder.join("new.tmp"), content).unwrap();
        fs::rename(folder.join("new.tmp"), folder.join(name)).unwrap();
    }

    async fn next(&mut self) -> FromIpc {
        timeout(SOON, self.events.recv()).await.unwrap().unwrap()
    }

    async fn request(&mut self) -> (IpcFile, Ticket) {
        match self.next().await {
            FromIpc::Request { source, file, ticket } => {
                assert_eq!(source, family());
                (*file, ticket)
            }
            refused => panic!("{refused:?}"),
        }
    }

    async fn refused(&mut self) -> String {
        match self.next().await {
            FromIpc::Refused { reason, .. } => reason,
            request => panic!("{request:?}"),
        }
    }
}

fn message(id: &str, text: &str) -> String {
    json!({"type": "message", "id": id, "chatJid": "1@g.us", "text": text}).to_string()
}

fn text(file: IpcFile) -> String {
    match file.request {
        IpcRequest::Message { text, .. } => text,
        other => panic!("{other:?}"),
    }
}

/// The names in a folder, but for what the tests themselves put there.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_request_comes_by_an_event_and_is_answered() {
    // I1, I2, I7, I8
    let mut scene = scene().await;
    scene.put("messages", "1.json", &message("req-1", "hi"));
    let (file, ticket) = scene.request().await;
    assert_eq!(text(file), "hi");
    assert_eq!(names(&scene.group().join("messages")), ["1.json"], "it stays until it is answered");
    scene.ipc.answer(ticket, IpcResult::Error("no".into()));
    scene.ipc.snapshots(family(), Vec::new()).await;
    assert_eq!(names(&scene.group().join("messages")), [""; 0]);
    let answer = fs::read_to_string(scene.group().join("results/req-1.json")).unwrap();
    assert_eq!(answer, r#"{"error":"no"}"#);
    assert!(scene.events.try_recv().is_err(), "taken once");
}

#[tokio::test]
async fn a_request_is_picked_up_within_50_ms() {
    // I7
    let mut scene = scene().await;
    // The machine that this is measured on may be busy: some are late. By the poll alone nearly all would be, by far.
    let (mut times, in_time) = (Vec::new(), Duration::from_millis(50));
    while times.iter().filter(|time| **time < in_time).count() < 5 {
        assert!(times.len() < 30, "{times:?}");
        let asked = Instant::now();
        scene.put("messages", &format!("{}.json", times.len()), &message("req", "hi"));
        let (_, ticket) = scene.request().await;
        times.push(asked.elapsed());
        scene.ipc.answer(ticket, IpcResult::Ok(true));
    }
}

#[test]
fn names_that_are_no_requests_are_not_waited_for() {
    // I7
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("family/messages");
    fs::create_dir_all(&folder).unwrap();
    for n in 0..10_001 {
        fs::write(folder.join(format!("{n}.tmp")), "").unwrap();
    }
    let mut inbox = Inbox::new(family());
    assert!(inbox.take(root.path()).is_empty() && !inbox.is_busy());
}

#[tokio::test]
async fn in_the_order_of_their_names_and_after_the_run_too() {
    let mut scene = scene().await;
    fs::create_dir_all(scene.group().join("messages")).unwrap();
    for name in ["3", "1", "2"] {
        fs::write(scene.group().join(format!("messages/{name}.tmp")), message(name, name)).unwrap();
    }
    scene.ipc.live(BTreeSet::new());
    scene.ipc.snapshots(family(), Vec::new()).await;
    for name in ["3", "1", "2"] {
        let folder = scene.group().join("messages");
        fs::rename(folder.join(format!("{name}.tmp")), folder.join(format!("{name}.json"))).unwrap();
    }
    assert!(scene.events.try_recv().is_err(), "nobody writes without a run");
    scene.ipc.live(BTreeSet::from([family()]));
    for name in ["1", "2", "3"] {
        let (file, _) = scene.request().await;
        assert_eq!(text(file), name);
    }
}

#[tokio::test]
async fn what_an_earlier_process_left_is_taken_at_the_start() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("family/tasks")).unwrap();
    fs::write(root.path().join("family/tasks/1.json"), r#"{"type":"refresh_groups"}"#).unwrap();
    let (sender, mut events) = mpsc::unbounded_channel();
    let ipc = Ipc::start(root.path().to_owned(), BTreeSet::from([family(), Folder::main()]), sender).unwrap();
    let FromIpc::Request { file, ticket, .. } = timeout(SOON, events.recv()).await.unwrap().unwrap() else { panic!() };
    assert_eq!(file.request, IpcRequest::RefreshGroups);
    ipc.answer(ticket, IpcResult::Ok(true));
    ipc.snapshots(family(), Vec::new()).await;
    assert_eq!(names(&root.path().join("family/tasks")), [""; 0]);
    assert_eq!(names(&root.path().join("family/results")), [""; 0], "nobody waits for this answer");
}

#[tokio::test]
async fn bad_files_are_moved_and_nothing_else_stops() {
    // I4
    let mut scene = scene().await;
    scene.put("messages", "1 bad\n.json", "{");
    assert!(scene.refused().await.contains("1_bad_.json: it can't be understood"));
    scene.put("tasks", "2.json", r#"{"type":"dance"}"#);
    assert!(scene.refused().await.contains("2.json"));
    assert_eq!(names(&scene.root.path().join("errors")), ["family-1_bad_.json", "family-2.json"]);
    fs::create_dir(scene.group().join("messages/3.json")).unwrap();
    assert!(scene.refused().await.contains("it is a folder"));
    scene.put("messages", "4.json", &message("a", "still"));
    assert_eq!(text(scene.request().await.0), "still");
}

#[tokio::test]
async fn no_link_no_pipe_no_second_name_and_nothing_large_is_read() {
    // I4
    let mut scene = scene().await;
    let elsewhere = scene.root.path().join("secret.json");
    fs::write(&elsewhere, message("a", "secret")).unwrap();
    let messages = scene.group().join("messages");

    symlink(&elsewhere, messages.join("1.json")).unwrap();
    assert!(scene.refused().await.contains("it is a link"));
    fs::hard_link(&elsewhere, messages.join("2.json")).unwrap();
    assert!(scene.refused().await.contains("hard links"));
    rustix::fs::mknodat(
        rustix::fs::CWD,
        messages.join("3.json"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    assert!(scene.refused().await.contains("it is no file"));
    let _socket = UnixListener::bind(messages.join("4.json")).unwrap();
    assert!(scene.refused().await.contains("it is no file"));
    scene.put("messages", "5.json", &message("a", &"x".repeat(64 * 1024)));
    assert!(scene.refused().await.contains("64 KiB"));
    let endless = fs::File::create(messages.join("endless.tmp")).unwrap();
    endless.set_len(1 << 40).unwrap();
    fs::rename(messages.join("endless.tmp"), messages.join("6.json")).unwrap();
    assert!(scene.refused().await.contains("64 KiB"));

    assert_eq!(names(&messages), [""; 0], "their names are gone");
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), message("a", "secret"), "what they led to is not");
    assert_eq!(names(&scene.root.path().join("errors")), [""; 0]);
    scene.put("messages", "7.json", &message("a", &"x".repeat(60 * 1024)));
    assert_eq!(text(scene.request().await.0).len(), 60 * 1024);
}

#[tokio::test]
async fn a_folder_that_is_a_link_leads_nowhere() {
    // I4: inbox, answers and snapshots alike.
    let mut scene = scene().await;
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("1.json"), message("a", "not ours")).unwrap();
    for name in ["messages", "tasks", "results"] {
        let _ = fs::remove_dir_all(scene.group().join(name));
        symlink(elsewhere.path(), scene.group().join(name)).unwrap();
    }
    fs::remove_dir_all(scene.group().join("results")).ok();
    let ticket = Ticket { source: family(), box_name: "messages", file: b"1.json".to_vec(), id: Some("x".into()) };
    scene.ipc.answer(ticket, IpcResult::Ok(true));
    scene.ipc.live(BTreeSet::new());
    scene.ipc.live(BTreeSet::from([family()]));
    scene.ipc.snapshots(family(), Vec::new()).await;
    assert!(scene.events.try_recv().is_err());
    assert_eq!(names(elsewhere.path()), ["1.json"]);

    // The whole group folder, and the place of a snapshot.
    let target = elsewhere.path().join("target");
    fs::write(&target, "keep").unwrap();
    symlink(&target, scene.group().join("current_tasks.json")).unwrap();
    symlink(&target, scene.group().join(".new-from-host")).unwrap();
    scene.ipc.snapshots(family(), vec![("current_tasks.json", "[]".into())]).await;
    assert_eq!(fs::read_to_string(&target).unwrap(), "keep");
    assert_eq!(fs::read_to_string(scene.group().join("current_tasks.json")).unwrap(), "[]");
    assert!(!fs::symlink_metadata(scene.group().join("current_tasks.json")).unwrap().file_type().is_symlink());
    fs::rename(scene.group(), scene.root.path().join("was")).unwrap();
    symlink(elsewhere.path(), scene.group()).unwrap();
    scene.ipc.snapshots(family(), vec![("current_tasks.json", "[]".into())]).await;
    assert_eq!(names(elsewhere.path()), ["1.json", "target"]);
}

#[tokio::test]
async fn an_answered_request_that_stays_is_not_taken_again() {
    // I4: its folder was something else while it was answered.
    let mut scene = scene().await;
    scene.put("messages", "1.json", &message("a", "once"));
    let (_, ticket) = scene.request().await;
    let (messages, aside) = (scene.group().join("messages"), scene.group().join("aside"));
    fs::rename(&messages, &aside).unwrap();
    symlink("/", &messages).unwrap();
    scene.ipc.answer(ticket, IpcResult::Ok(true));
    scene.ipc.snapshots(family(), Vec::new()).await;
    fs::remove_file(&messages).unwrap();
    fs::rename(&aside, &messages).unwrap();
    scene.put("messages", "2.json", &message("b", "twice"));
    assert_eq!(text(scene.request().await.0), "twice");
    assert_eq!(names(&messages), ["2.json"]);
}

#[tokio::test]
async fn a_flood_comes_slowly_and_no_other_group_waits() {
    // I4
    let mut scene = scene().await;
    let begun = Instant::now();
    // The first second may have begun before them, the second one has not.
    for n in 0..250 {
        scene.put("messages", &format!("{n:03}.json"), &message("a", &n.to_string()));
    }
    let main = Folder::main();
    scene.ipc.live(BTreeSet::from([family(), main.clone()]));
    scene.ipc.snapshots(main.clone(), Vec::new()).await;
    let tasks = scene.root.path().join("main/tasks");
    fs::write(tasks.join("1.tmp"), r#"{"type":"refresh_groups"}"#).unwrap();
    fs::rename(tasks.join("1.tmp"), tasks.join("1.json")).unwrap();
    let (mut got, mut main_came) = (0, false);
    while got < 250 || !main_came {
        match scene.next().await {
            FromIpc::Request { source, ticket, .. } => {
                if source == main {
                    main_came = true;
                } else {
                    got += 1;
                }
                scene.ipc.answer(ticket, IpcResult::Ok(true));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(begun.elapsed() >= POLL, "100 a second");
}

#[tokio::test]
async fn old_answers_are_removed() {
    // I8
    let mut scene = scene().await;
    let results = scene.group().join(RESULTS);
    fs::create_dir_all(&results).unwrap();
    let old = fs::File::create(results.join("old.json")).unwrap();
    old.set_modified(std::time::SystemTime::now() - ANSWER_LIFE * 2).unwrap();
    fs::write(results.join("young.json"), "").unwrap();
    fs::create_dir(results.join("litter")).unwrap();
    scene.put("tasks", "1.json", r#"{"type":"refresh_groups","id":"../../x"}"#);
    let (_, ticket) = scene.request().await;
    scene.ipc.answer(ticket, IpcResult::Ok(true));
    scene.put("tasks", "2.json", r#"{"type":"refresh_groups","id":"good"}"#);
    let (_, ticket) = scene.request().await;
    scene.ipc.answer(ticket, IpcResult::Ok(true));
    scene.ipc.snapshots(family(), Vec::new()).await;
    assert_eq!(names(&results), ["good.json", "litter", "young.json"]);
    assert!(!scene.root.path().join("x.json").exists());
}
