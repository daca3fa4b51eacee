//! What a container may do and see (R1, R2), as the engine tells it and as it looks from inside.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use nanoclaw_core::{
    chat::Jid,
    group::{Folder, Group},
    mounts::{Mount, Owner, Places, mounts},
    settings::KiroMode,
};
use nanoclaw_host::{
    container::{LABEL_GROUP, LABEL_INSTALL, LABEL_KIND, LABEL_RUN, prepare},
    ports::RunEnd,
};
use serde_json::{Value, json};

use crate::scene::Scene;

fn user() -> (u32, u32) {
    (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw())
}

// R1, Q6
#[tokio::test]
async fn as_the_engine_tells_it() {
    let mut scene = Scene::ready().await;
    let run = scene.start(scene.run("family", "frame(result='here'); line()"));
    let container = scene.started(&run).await;
    let seen = scene.inspect(&container).await;
    let config = seen.config.unwrap();
    let host = seen.host_config.unwrap();
    let image = scene.docker.inspect_image(&scene.image).await.unwrap().config.unwrap();

    let (uid, gid) = user();
    assert_eq!(config.user, Some(format!("{uid}:{gid}")));
    assert_eq!((config.entrypoint, config.image), (image.entrypoint, Some(scene.image.clone())));
    assert_eq!((config.open_stdin, config.stdin_once, config.tty), (Some(true), Some(false), Some(false)));
    assert_eq!((host.auto_remove, host.init, host.readonly_rootfs), (Some(true), Some(true), Some(true)));
    assert_eq!((host.memory, host.memory_swap), (Some(512 << 20), Some(512 << 20)));
    assert_eq!((host.nano_cpus, host.pids_limit), (Some(1_000_000_000), Some(64)));
    assert_eq!((host.network_mode.as_deref(), host.ipc_mode.as_deref()), (Some("bridge"), Some("private")));
    assert_eq!((host.cap_add, host.privileged, host.binds), (None, Some(false), None));
    let log = host.log_config.unwrap();
    assert_eq!(log.typ.as_deref(), Some("json-file"));
    assert_eq!(log.config.unwrap(), [("max-size", "10m"), ("max-file", "2")].map(|(k, v)| (k.into(), v.into())).into());

    let labels = config.labels.unwrap();
    for (name, value) in
        [(LABEL_INSTALL, scene.install.as_str()), (LABEL_GROUP, "family"), (LABEL_RUN, &run), (LABEL_KIND, "run")]
    {
        assert_eq!(labels[name], value);
    }
}

// R1: seen by the agent itself.
#[tokio::test]
async fn from_inside() {
    let mut scene = Scene::ready().await;
    let look = r##"
import subprocess
def denied(act):
    try:
        act()
        return False
    except OSError:
        return True
def script(path):
    with open(path, "w") as file:
        file.write("#!/bin/sh\nexit 0\n")
    os.chmod(path, 0o700)
    subprocess.run([path], check=True)
status = dict(line.split(":\t") for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
frame(result=json.dumps({
    "user": [os.getuid(), os.getgid()],
    "caps": status["CapEff"], "bounding": status["CapBnd"], "privileges": status["NoNewPrivs"], "seccomp": status["Seccomp"],
    "writes": [path for path in ["/", "/etc", "/usr", "/workspace", "/home"] if not denied(lambda: open(path + "/x", "w"))],
    "chown": denied(lambda: os.chown("/tmp", 5, 5)),
    "tmp": denied(lambda: script("/tmp/x")),
    "home": denied(lambda: script(os.environ["HOME"] + "/x")),
    "data": denied(lambda: os.makedirs("/home/node/.local/share/some/thing")),
    "sockets": os.path.exists("/var/run/docker.sock"),
    "env": [os.environ.get("HOME"), os.environ.get("TZ"), os.environ.get("KIRO_API_KEY")],
    "init": open("/proc/1/comm").read().strip(),
}))"##;
    let run = scene.start(scene.run("main", look));
    let seen: Value = serde_json::from_str(&scene.text(&run).await).unwrap();
    let (uid, gid) = user();
    assert_eq!(
        seen,
        json!({
            "user": [uid, gid],
            "caps": "0000000000000000", "bounding": "0000000000000000", "privileges": "1", "seccomp": "2",
            "writes": [], "chown": true, "tmp": true, "home": false, "data": false, "sockets": false,
            "env": ["/home/node", "Asia/Tokyo", null],
            "init": "docker-init",
        })
    );
    assert_eq!(scene.ended(&run).await, RunEnd::Exited { code: 0, stderr: String::new() });
}

// R1: what takes more than its memory is killed, and nothing else is.
#[tokio::test]
async fn memory_ends() {
    let mut scene = Scene::ready().await;
    let mut spec = scene.run("main", "bytearray(400 << 20); frame(result='survived')");
    spec.memory = 128 << 20;
    let run = scene.start(spec);
    assert!(matches!(scene.ended(&run).await, RunEnd::Exited { code: 137, .. }));
    assert_eq!(scene.results(&run), [""; 0]);
}

fn table(scene: &Scene, folder: &str) -> Vec<Mount> {
    let group = Group::new(Jid::new("1@g.us"), "x", Folder::new(folder).unwrap());
    let places = Places { home: scene.path("home"), user: scene.path("user"), kiro_data: scene.path("user/kiro-cli") };
    mounts(&group, KiroMode::Shared, &places)
}

/// Each mount as `host container rw`, and whether the agent could make a file there.
const LOOK: &str = r#"
def writes(path):
    try:
        open(path + "/made", "w")
        return True
    except OSError:
        return False
frame(result=json.dumps({path: writes(path) for path in request["chatJid"].split()}))
while line(): pass
"#;

async fn check(scene: &mut Scene, folder: &str, mounts: Vec<Mount>) {
    let mut spec = scene.run(folder, LOOK);
    spec.request.chat_jid = mounts.iter().map(|mount| mount.container.as_str()).collect::<Vec<_>>().join(" ");
    spec.mounts.clone_from(&mounts);
    let run = scene.start(spec);
    let container = scene.started(&run).await;
    let writable: Value = serde_json::from_str(&scene.text(&run).await).unwrap();
    let inspected = scene.inspect(&container).await.mounts.unwrap();
    let mut told: Vec<_> = inspected
        .into_iter()
        .map(|point| (point.destination.unwrap(), point.source.unwrap(), point.rw.unwrap()))
        .collect();
    let row = |mount: &Mount| (mount.container.clone(), mount.host.display().to_string(), !mount.read_only);
    let mut expect: Vec<_> = mounts.iter().map(row).collect();
    told.sort();
    expect.sort();
    assert_eq!(told, expect);
    for mount in &mounts {
        assert_eq!(writable[&mount.container], !mount.read_only, "{}", mount.container);
        if !mount.read_only {
            // The user of this process owns what the agent made.
            assert_eq!(fs::metadata(mount.host.join("made")).unwrap().uid(), user().0);
        }
    }
    scene.stop(&run, std::time::Duration::ZERO);
    scene.ended(&run).await;
}

// R2
#[tokio::test]
async fn mounts_of_main_and_of_others() {
    let mut scene = Scene::ready().await;
    for folder in [".kiro/sessions", ".aws", "kiro-cli"] {
        fs::create_dir_all(scene.path("user").join(folder)).unwrap();
    }
    for (folder, count) in [("main", 7), ("family", 7)] {
        let (present, missing) = prepare(&table(&scene, folder));
        assert_eq!((present.len(), missing.len()), (count, 0));
        check(&mut scene, folder, present).await;
    }
    // R11: not in the host's folder, nor in another group's.
    assert!(scene.path("home/kiro/sessions/family/made").exists());
    assert_eq!(fs::read_dir(scene.path("user/.kiro/sessions")).unwrap().count(), 0);
}

// R2: what is missing on the host stays missing, and the container starts all the same.
#[tokio::test]
async fn missing_folders_of_the_host() {
    let mut scene = Scene::ready().await;
    let (present, missing) = prepare(&table(&scene, "family"));
    assert_eq!(missing, [scene.path("user/.kiro"), scene.path("user/kiro-cli")]);
    check(&mut scene, "family", present).await;
    assert!(!scene.path("user").exists());

    // The user's .kiro, but no sessions in it: the engine could not mount the group's own.
    fs::create_dir_all(scene.path("user/.kiro")).unwrap();
    let all = table(&scene, "family");
    let (present, missing) = prepare(&all);
    assert_eq!(missing, [scene.path("user/.kiro/sessions"), scene.path("user/kiro-cli")]);
    let mut spec = scene.run("family", "frame()");
    spec.mounts = all.into_iter().filter(|mount| mount.host.exists()).collect();
    let run = scene.start(spec);
    let RunEnd::NotStarted { reason } = scene.ended(&run).await else {
        panic!("the engine mounts into a read-only mount")
    };
    assert!(reason.contains("read-only"), "{reason}");
    check(&mut scene, "family", present).await;
    assert_eq!(fs::read_dir(scene.path("user/.kiro")).unwrap().count(), 0);
}

// R2: a source that went away after all is refused, not made by the engine as root's.
#[tokio::test]
async fn no_folder_is_made_by_the_engine() {
    let mut scene = Scene::ready().await;
    let mut spec = scene.run("main", "frame()");
    let host = scene.path("gone");
    spec.mounts = vec![Mount { host: host.clone(), container: "/x".to_owned(), read_only: false, owner: Owner::Host }];
    let run = scene.start(spec);
    let RunEnd::NotStarted { reason } = scene.ended(&run).await else { panic!("a missing folder was mounted") };
    assert!(reason.contains("gone") && !host.exists(), "{reason}");
    scene.nothing_is_left().await;
}

// R2: the agent's user can enter what is the Home's, and nobody else can.
#[tokio::test]
async fn the_homes_folders_are_private() {
    let scene = Scene::ready().await;
    let (present, _) = prepare(&table(&scene, "main"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert!(present.iter().all(|mount| mode(&mount.host) == 0o700));
}
