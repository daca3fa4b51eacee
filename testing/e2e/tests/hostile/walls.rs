//! Beyond its mounts: other files, other chats' sessions, other processes, the engine, the network.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};
use nanoclaw_e2e::Scene;
use serde_json::{Value, json};

use crate::Town;

/// Tries everything, and tells what was not denied.
const LOOK: &str = r##"
import ctypes, glob, json, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
given = json.loads('''GIVEN''')
done = []
def attempt(name, act):
    try:
        if act() not in (False, -1):
            done.append(name)
    except OSError:
        pass
def write(path):
    with open(path + "/made", "w"):
        return True
for path in given["read"]:
    attempt("read " + path, lambda: os.stat(path))
for path in ["/workspace/global", "/workspace/extra", "/home/node/.kiro", "/home/node/.kiro/agents", "/", "/etc", "/app",
             "/usr/local/bin", "/workspace", "/sys", "/sys/fs/cgroup", "/proc/sys/kernel", "/home/node/.aws"]:
    attempt("write " + path, lambda: write(path))
# A command that the owner's Kiro would run later.
attempt("replace", lambda: os.rename("/workspace/group/new", "/home/node/.kiro/agents/agent_config.json"))
attempt("remove", lambda: os.unlink("/home/node/.kiro/fake-kiro.json"))
attempt("chmod", lambda: os.chmod("/home/node/.kiro/fake-kiro.json", 0o777))
attempt("sysrq", lambda: open("/proc/sysrq-trigger", "w"))
attempt("core pattern", lambda: open("/proc/sys/kernel/core_pattern", "w"))
attempt("kernel memory", lambda: os.open("/proc/kcore", os.O_RDONLY) and os.read(os.open("/proc/kcore", os.O_RDONLY), 8) or False)
for name, kind in [("block", 0o060600), ("char", 0o020600)]:
    attempt("device " + name, lambda: os.mknod("/workspace/group/" + name, kind, os.makedev(1, 1)))
attempt("mount", lambda: libc.mount(b"/", b"/tmp", None, 4096, None))
attempt("remount", lambda: libc.mount(None, b"/workspace/global", None, 32 | 4096, None))
attempt("user namespace", lambda: libc.unshare(0x10000000))
attempt("mount namespace", lambda: libc.unshare(0x20000))
attempt("enter namespace", lambda: libc.setns(os.open("/proc/1/ns/mnt", os.O_RDONLY), 0))
attempt("chroot", lambda: os.chroot("/workspace/group"))
attempt("user", lambda: os.setuid(12345))
attempt("clock", lambda: libc.settimeofday(struct.pack("qq", 0, 0), None))
attempt("handle", lambda: libc.open_by_handle_at(3, b"\0" * 16, 0))
attempt("trace", lambda: open("/proc/kallsyms").read(16).startswith("ffff") or False)
def reach(host, port):
    with socket.create_connection((host, port), 2):
        return True
gateway = next(line.split()[2] for line in open("/proc/net/route").read().splitlines()[1:] if line.split()[1] == "00000000")
gateway = socket.inet_ntoa(struct.pack("<L", int(gateway, 16)))
for name, port in given["ports"].items():
    attempt("reach " + name, lambda: reach(gateway, port))
abstract = socket.socket(socket.AF_UNIX)
attempt("abstract socket", lambda: abstract.connect("\0" + given["abstract"]) is None)
names = set()
for path in glob.glob("/proc/[0-9]*/environ"):
    names |= {pair.split(b"=")[0].decode() for pair in open(path, "rb").read().split(b"\0") if pair}
sessions = [name for _, _, files in os.walk("/home/node/.kiro/sessions") for name in files]
print(json.dumps({"done": done, "environment": sorted(names), "sessions": sorted(sessions)}))
"##;

fn sessions(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn nothing_beyond_the_mounts_is_read_written_or_reached() -> Result<()> {
    // R1, R2, R3, R11
    let town = Town::begin(Scene::begin("hostile_walls").await?).await?;
    let scene = &town.scene;
    let (home, user) = (scene.home().canonicalize()?, scene.user().canonicalize()?);
    let engine = std::env::var("DOCKER_HOST")?.replace("unix://", "");
    let control = fs::read_dir(user.join("../run"))?.flatten().map(|entry| entry.path());
    let read = [home.clone(), user.clone(), engine.into(), "/var/run/docker.sock".into(), "/run/docker.sock".into()];
    let read: Vec<_> = read.into_iter().chain(control).collect();
    let (closed, open) = (TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?);
    let whatsapp: u16 = scene
        .whatsapp
        .url
        .rsplit(':')
        .next()
        .and_then(|rest| rest.split('/').next()?.parse().ok())
        .context("no port")?;
    let ports =
        json!({"whatsapp": whatsapp, "loopback": closed.local_addr()?.port(), "everywhere": open.local_addr()?.port()});
    let abstract_name = format!("nanoclaw-hostile-{}", std::process::id());
    let address =
        <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(&abstract_name)?;
    let _abstract = std::os::unix::net::UnixListener::bind_addr(&address)?;
    let given = json!({"read": read, "ports": ports, "abstract": abstract_name});
    town.plays(&[("look", &LOOK.replace("GIVEN", &given.to_string())), ("wait", "print('up')")])?;

    // Family's container is there before main's agent has its first session.
    town.attack("wait").await?;
    town.bob.hears("Andy: up").await?;
    town.main_answers().await?;
    let mains = sessions(&user.join(".kiro/sessions/cli"));
    assert!(!mains.is_empty(), "main has a session");
    town.attack("look").await?;
    let said = town.bob.hears_of("environment").await?.text;
    let told: Value = serde_json::from_str(said.trim_start_matches("Andy: ")).with_context(|| said.clone())?;
    // What listens on all of the host's addresses is reached, as from any machine nearby.
    assert_eq!(told["done"], json!(["reach everywhere"]), "{told:#}");
    let seen: Vec<&str> = told["sessions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(mains.iter().all(|main| !seen.contains(&main.as_str())), "main's {mains:?} are among {seen:?}");
    let names: Vec<&str> = told["environment"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let secret = |name: &&str| {
        ["KEY", "TOKEN", "SECRET", "DOCKER", "NANOCLAW_HOME", "NANOCLAW_WHATSAPP"]
            .iter()
            .any(|part| name.contains(part))
    };
    assert_eq!(names.iter().filter(|name| secret(name)).count(), 0, "{names:?}");
    assert_eq!(fs::read_to_string(user.join(".kiro/agents/agent_config.json"))?.matches("kiro-assistant").count(), 1);
    town.scene.end().await
}
