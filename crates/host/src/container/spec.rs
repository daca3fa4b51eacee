//! What the engine is asked to create for a run: the image's own entry point, shut in (R1, R2; facts: docker, "Hardening that
//! ran").
//!
//! Pure translation. No secret gets in here: the request, and whatever is secret in it, goes over stdin alone (R3).

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount as Bind, MountType, ResourcesUlimits,
};

use super::Aside;
use crate::ports::RunSpec;

/// Only containers that carry this process's own value are ever touched (Q6).
pub const LABEL_INSTALL: &str = "com.nanoclaw.install";
pub const LABEL_GROUP: &str = "com.nanoclaw.group";
pub const LABEL_RUN: &str = "com.nanoclaw.run";
/// `run`, or beside the runs `whoami` for a sign-in check and `login` for a sign-in.
pub const LABEL_KIND: &str = "com.nanoclaw.kind";

const HOME: &str = "/home/node";
/// Open files a process: few enough that an engine without the right to raise limits can still grant it.
const OPEN_FILES: i64 = 16_384;
/// Of the image's user `node`.
const NODE: (u32, u32) = (1000, 1000);

pub(super) fn body(spec: &RunSpec, install: &str) -> ContainerCreateBody {
    let labels =
        [(LABEL_INSTALL, install), (LABEL_GROUP, spec.folder.as_str()), (LABEL_RUN, &spec.run), (LABEL_KIND, "run")];
    // A user id of the host's is not in the image's passwd, which would make `/` its home.
    let home = ("HOME".to_owned(), HOME.to_owned());
    let env = [&home].into_iter().chain(&spec.env).map(|(name, value)| format!("{name}={value}"));
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        user: user().map(|(uid, gid)| format!("{uid}:{gid}")),
        env: Some(env.collect()),
        labels: Some(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        // With `true` a second attach would write into nothing (facts: docker).
        stdin_once: Some(false),
        tty: Some(false),
        host_config: Some(host_config(&spec.mounts, (spec.memory, spec.cpus, spec.pids))),
        ..Default::default()
    }
}

/// A container beside the runs, shut in as they are; [`named`] completes it.
pub(super) fn aside(
    aside: &Aside,
    kind: &str,
    command: &[&str],
    tty: bool,
    environment: &[(&str, &str)],
) -> ContainerCreateBody {
    let labels = [(LABEL_INSTALL, aside.install.as_str()), (LABEL_KIND, kind)];
    let env = [("HOME", HOME)].into_iter().chain(environment.iter().copied());
    let words = || command.iter().map(|word| (*word).to_owned());
    ContainerCreateBody {
        image: Some(aside.image.clone()),
        user: user().map(|(uid, gid)| format!("{uid}:{gid}")),
        env: Some(env.map(|(name, value)| format!("{name}={value}")).collect()),
        labels: Some(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
        entrypoint: Some(words().take(1).collect()),
        cmd: Some(words().skip(1).collect()),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        stdin_once: Some(false),
        tty: Some(tty),
        host_config: Some(HostConfig {
            // A sign-in's code is for its person alone (R3).
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            ..host_config(&aside.mounts, (aside.memory, aside.cpus, aside.pids))
        }),
        ..Default::default()
    }
}

/// Its name is the run that it is looked for by.
pub(super) fn named(mut body: ContainerCreateBody, name: &str) -> ContainerCreateBody {
    body.labels.get_or_insert_default().insert(LABEL_RUN.to_owned(), name.to_owned());
    body
}

fn host_config(mounts: &[nanoclaw_core::mounts::Mount], (memory, cpus, pids): (u64, u64, u64)) -> HostConfig {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let log = [("max-size", "10m"), ("max-file", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let limit = |name: &str, most| ResourcesUlimits { name: Some(name.to_owned()), soft: Some(most), hard: Some(most) };
    HostConfig {
        auto_remove: Some(true),
        init: Some(true),
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        network_mode: Some("bridge".to_owned()),
        ipc_mode: Some("private".to_owned()),
        memory: Some(whole(memory)),
        // The same: no swap on top.
        memory_swap: Some(whole(memory)),
        nano_cpus: Some(whole(cpus.saturating_mul(1_000_000_000))),
        pids_limit: Some(whole(pids)),
        ulimits: Some(vec![limit("nofile", OPEN_FILES), limit("core", 0)]),
        log_config: Some(HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(log.into()) }),
        tmpfs: Some(tmpfs(mounts)),
        // Not `binds`: they make a missing folder on the host instead of refusing.
        mounts: Some(mounts.iter().map(bind).collect()),
        ..Default::default()
    }
}

fn bind(mount: &nanoclaw_core::mounts::Mount) -> Bind {
    Bind {
        typ: Some(MountType::BIND),
        source: Some(mount.host.to_string_lossy().into_owned()),
        target: Some(mount.container.clone()),
        read_only: Some(mount.read_only),
        ..Default::default()
    }
}

/// Whom the container runs as. On Linux the files keep their owner over a mount, so it must be this process's user; elsewhere
/// the engine's machine maps them, and the image's own user stays (R1).
fn user() -> Option<(u32, u32)> {
    cfg!(target_os = "linux").then(|| (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw()))
}

/// What may be written beside the mounts, in memory. Each folder on the way to a mount in the agent's home is one of its own,
/// or the engine would make it root's.
fn tmpfs(mounts: &[nanoclaw_core::mounts::Mount]) -> HashMap<String, String> {
    let (uid, gid) = user().unwrap_or(NODE);
    let mounted: BTreeSet<&Path> = mounts.iter().map(|mount| Path::new(&mount.container)).collect();
    let data = Path::new(HOME).join(".local/share/any");
    let homes = mounted.iter().copied().chain([data.as_path()]).flat_map(|path| path.ancestors().skip(1));
    let homes: BTreeSet<PathBuf> =
        homes.filter(|path| path.starts_with(HOME) && !mounted.contains(path)).map(Path::to_owned).collect();
    // `exec`: agents' MCP servers are fetched into the home and started from there (R1).
    let options = format!("rw,exec,nosuid,nodev,mode=0700,uid={uid},gid={gid}");
    homes
        .into_iter()
        .filter(|path| !inside(path, &mounted))
        .map(|path| (path.to_string_lossy().into_owned(), options.clone()))
        .chain([("/tmp".to_owned(), "rw,noexec,nosuid,nodev,mode=1777".to_owned())])
        .collect()
}

/// Below a mount there is the host's folder already.
fn inside(path: &Path, mounted: &BTreeSet<&Path>) -> bool {
    path.ancestors().skip(1).any(|above| mounted.contains(above))
}

/// The name to try after `name` was taken: the next millisecond.
pub(super) fn next_name(name: &str) -> String {
    let next =
        name.rsplit_once('-').and_then(|(stem, millis)| Some(format!("{stem}-{}", millis.parse::<u64>().ok()? + 1)));
    next.unwrap_or_else(|| format!("{name}-1"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nanoclaw_core::{
        group::Folder,
        mounts::{Mount, Owner},
        status::RunKind,
    };
    use nanoclaw_protocol::Request;

    use super::*;

    fn spec(mounts: &[&'static str]) -> RunSpec {
        let mount = |container: &&'static str| Mount {
            host: Path::new("/host").join(container.trim_start_matches('/')),
            container: (*container).to_owned(),
            read_only: false,
            owner: Owner::Host,
        };
        RunSpec {
            run: "run-1".into(),
            container: "nanoclaw-main-1".into(),
            folder: Folder::main(),
            kind: RunKind::Messages,
            mounts: mounts.iter().map(mount).collect(),
            request: Request {
                turn: 1,
                prompt: "the prompt".into(),
                session_id: None,
                group_folder: "main".into(),
                chat_jid: "1@g.us".into(),
                is_main: true,
                tools: None,
                is_scheduled_task: false,
                idle_timeout: Duration::from_secs(300).as_millis() as u64,
                secrets: [("KIRO_API_KEY".to_owned(), "ksk-hidden".to_owned())].into(),
            },
            image: "image:latest".into(),
            env: vec![("TZ".into(), "Asia/Tokyo".into())],
            memory: 1 << 32,
            cpus: 2,
            pids: 512,
            max_output: 1024,
            max_logs: 1 << 20,
            log: "/log".into(),
        }
    }

    // R3: what is secret, and what was said, is nowhere that `docker inspect` shows.
    #[test]
    fn nothing_secret_is_created() {
        let body = serde_json::to_string(&body(&spec(&["/workspace/group"]), "install-1")).unwrap();
        for secret in ["ksk-hidden", "KIRO_API_KEY", "the prompt"] {
            assert!(!body.contains(secret), "{secret} in {body}");
        }
        for present in ["TZ=Asia/Tokyo", "HOME=/home/node", "install-1", "run-1"] {
            assert!(body.contains(present), "{present} not in {body}");
        }
    }

    // K1: Kiro is asked in the same image, as the same user, with the same mounts and environment as a run has. R3: what a sign-in
    // shows is in no log of the engine's, and its key nowhere that `docker inspect` shows.
    #[test]
    fn what_runs_beside_sees_what_a_run_sees() {
        let run = spec(&["/workspace/group", "/home/node/.kiro", "/home/node/.local/share/kiro-cli"]);
        let beside = Aside {
            install: "install-1".into(),
            socket: None,
            image: run.image.clone(),
            mounts: run.mounts.clone(),
            env: run.env.clone(),
            memory: run.memory,
            cpus: run.cpus,
            pids: run.pids,
            key: Some(nanoclaw_core::kiro::Secret("ksk-hidden".into())),
        };
        let env: Vec<_> = beside.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let seen = aside(&beside, "whoami", &["kiro-cli"], false, &env);
        let run = body(&run, "install-1");
        assert!(!serde_json::to_string(&seen).unwrap().contains("ksk-hidden"));
        assert_eq!((&seen.image, &seen.user, &seen.env), (&run.image, &run.user, &run.env));
        let (seen, run) = (seen.host_config.unwrap(), run.host_config.unwrap());
        assert_eq!(seen.log_config.as_ref().and_then(|log| log.typ.as_deref()), Some("none"));
        assert_eq!(HostConfig { log_config: run.log_config.clone(), ..seen }, run);
    }

    // R1: each folder of the home that isn't mounted is writable for the run's user.
    #[test]
    fn folders_in_memory() {
        fn check(mounts: &[&'static str], expect: &[&str]) {
            let tmpfs = tmpfs(&spec(mounts).mounts);
            let mut folders: Vec<&str> = tmpfs.keys().map(String::as_str).collect();
            folders.sort_unstable();
            assert_eq!(folders, expect, "{mounts:?}");
        }
        const BARE: [&str; 4] = ["/home/node", "/home/node/.local", "/home/node/.local/share", "/tmp"];
        check(&[], &BARE);
        check(&["/workspace/group", "/home/node/.kiro", "/home/node/.local/share/kiro-cli"], &BARE);
        check(&["/home/node/.kiro", "/home/node/.kiro/sessions"], &BARE);
        // Without the user's .kiro around it, the way to a group's sessions is ours.
        check(
            &["/home/node/.kiro/sessions"],
            &["/home/node", "/home/node/.kiro", "/home/node/.local", "/home/node/.local/share", "/tmp"],
        );
        check(&["/home/node/.local"], &["/home/node", "/tmp"]);
    }

    #[test]
    fn next_names() {
        for (name, expect) in [
            ("nanoclaw-main-1700000000999", "nanoclaw-main-1700000001000"),
            ("nanoclaw-a-b-1", "nanoclaw-a-b-2"),
            ("other", "other-1"),
        ] {
            assert_eq!(next_name(name), expect);
        }
    }
}
