//! Finds the engine (facts: docker, "Finding the engine"): which addresses come into question, and which of them answers.
//!
//! bollard reads neither docker's contexts nor the places of macOS, and a stale socket file passes its connect: so the
//! addresses are listed here and each is asked. Must not: start an engine, or keep one. Called by the connection, and by
//! commands that need an engine without the orchestrator.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use bollard::{Docker, errors::Error};
use nanoclaw_core::problem::Trouble;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The oldest version of the API that was tried: Docker 20.10's.
const OLDEST: &str = "1.41";

/// A local engine answers in a few milliseconds.
const PING: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub struct Engine {
    pub docker: Docker,
    /// As in `DOCKER_HOST`.
    pub address: String,
}

#[derive(Clone, Debug)]
pub enum Found {
    Ready(Engine),
    /// Somebody listens at this address but doesn't answer yet, as Docker Desktop does while its machine starts.
    Starting(String),
    /// One is there, but not for this user.
    Forbidden,
    Nothing,
}

/// Asks one address after the other. `setting` is ENGINE_SOCKET: an address, or a path.
pub async fn find(setting: Option<&str>) -> Found {
    let mut found = Found::Nothing;
    for address in addresses(setting, |name| std::env::var(name).ok(), std::env::home_dir().as_deref()) {
        // A missing socket file, or a kind of address that is not supported.
        let Ok(docker) = Docker::connect_with_host(&address) else { continue };
        match ping(&docker).await {
            Ping::Answered => return Found::Ready(Engine { docker, address }),
            Ping::Busy => found = Found::Starting(address),
            Ping::Forbidden if matches!(found, Found::Nothing) => found = Found::Forbidden,
            Ping::Forbidden | Ping::Nobody => {}
        }
    }
    found
}

/// Whether the engine answers right now.
pub(super) async fn answers(docker: &Docker) -> bool {
    matches!(ping(docker).await, Ping::Answered)
}

enum Ping {
    Answered,
    Busy,
    Forbidden,
    Nobody,
}

async fn ping(docker: &Docker) -> Ping {
    match tokio::time::timeout(PING, docker.ping()).await {
        Ok(Ok(_)) => Ping::Answered,
        Err(_) | Ok(Err(Error::DockerResponseServerError { .. })) => Ping::Busy,
        Ok(Err(error)) if is_refusal(&error) => Ping::Forbidden,
        Ok(Err(_)) => Ping::Nobody,
    }
}

/// Whether the system let nobody through to the socket.
fn is_refusal(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|error| {
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    })
}

/// The addresses to ask, in order.
///
/// The setting and `DOCKER_HOST` stand alone: who names an engine means that one, and an agent must not turn up in another.
fn addresses(setting: Option<&str>, variable: impl Fn(&str) -> Option<String>, user: Option<&Path>) -> Vec<String> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(named) = setting.map(str::to_owned).or_else(|| variable("DOCKER_HOST")) {
        return vec![if named.contains("://") { named } else { format!("unix://{named}") }];
    }
    let config = variable("DOCKER_CONFIG").map(PathBuf::from).or_else(|| Some(user?.join(".docker")));
    let context = config.and_then(|config| context(&config, variable("DOCKER_CONTEXT")));
    let mut addresses: Vec<String> = context.into_iter().collect();
    if cfg!(windows) {
        addresses.push("npipe:////./pipe/docker_engine".to_owned());
        return addresses;
    }
    for socket in sockets(user, variable("XDG_RUNTIME_DIR").as_deref()) {
        let address = format!("unix://{}", socket.display());
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// Where engines put their sockets.
fn sockets(user: Option<&Path>, runtime: Option<&str>) -> Vec<PathBuf> {
    let mut sockets = vec![PathBuf::from("/var/run/docker.sock")];
    if cfg!(target_os = "macos") {
        const OF_THE_USER: [&str; 8] = [
            ".docker/run/docker.sock",
            ".orbstack/run/docker.sock",
            ".colima/default/docker.sock",
            ".colima/docker/docker.sock",
            ".rd/docker.sock",
            ".lima/default/sock/docker.sock",
            ".lima/docker/sock/docker.sock",
            ".local/share/containers/podman/machine/podman.sock",
        ];
        sockets.extend(user.into_iter().flat_map(|user| OF_THE_USER.map(|socket| user.join(socket))));
    } else {
        let runtime = runtime.into_iter().map(Path::new);
        sockets
            .extend(runtime.flat_map(|runtime| ["docker.sock", "podman/podman.sock"].map(|path| runtime.join(path))));
        sockets.push("/run/podman/podman.sock".into());
    }
    sockets
}

/// The address that docker's own command line would use by its context. "default" is what the sockets are for.
fn context(config: &Path, named: Option<String>) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Config {
        current_context: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Meta {
        endpoints: Endpoints,
    }
    #[derive(Deserialize)]
    struct Endpoints {
        docker: Endpoint,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Endpoint {
        host: String,
    }
    let name = named.or_else(|| {
        let text = fs::read_to_string(config.join("config.json")).ok()?;
        serde_json::from_str::<Config>(&text).ok()?.current_context
    })?;
    if name == "default" {
        return None;
    }
    let folder = hex::encode(Sha256::digest(name.as_bytes()));
    let text = fs::read_to_string(config.join("contexts/meta").join(folder).join("meta.json")).ok()?;
    Some(serde_json::from_str::<Meta>(&text).ok()?.endpoints.docker.host)
}

/// What an engine says of itself.
#[derive(Clone, Debug)]
pub struct Said {
    pub name: String,
    pub version: Option<String>,
    /// What is wrong with its version.
    pub trouble: Option<Trouble>,
}

/// # Errors
/// When it does not answer.
pub async fn version(Engine { docker, address }: &Engine) -> Result<Said, Error> {
    let said = docker.version().await?;
    let platform = said.platform.map(|platform| platform.name).unwrap_or_default();
    let component = said.components.unwrap_or_default().into_iter().next().map(|part| part.name);
    Ok(Said {
        name: name(address, &platform, &component.unwrap_or_default()),
        version: said.version,
        trouble: said.api_version.as_deref().and_then(too_old),
    })
}

/// What is wrong with an engine that speaks this version of Docker's API, such as `1.43`.
pub(super) fn too_old(api: &str) -> Option<Trouble> {
    let number = |version: &str| {
        let (major, minor) = version.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    };
    (number(api)? < number(OLDEST)?).then(|| Trouble::EngineOld { api: api.to_owned(), needed: OLDEST.to_owned() })
}

/// What people call the engine.
pub(super) fn name(address: &str, platform: &str, component: &str) -> String {
    const BY_PLACE: [(&str, &str); 4] =
        [("/.orbstack/", "OrbStack"), ("/.colima/", "Colima"), ("/.rd/", "Rancher Desktop"), ("/.lima/", "Lima")];
    if let Some((_, name)) = BY_PLACE.iter().find(|(place, _)| address.contains(place)) {
        return (*name).to_owned();
    }
    let name = match (component, platform) {
        (component, _) if component.starts_with("Podman") => "Podman",
        (_, platform) if platform.starts_with("Docker Desktop") => "Docker Desktop",
        _ => "Docker",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(setting: Option<&str>, environment: &[(&str, &str)], user: &Path) -> Vec<String> {
        let lookup =
            |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        addresses(setting, lookup, Some(user))
    }

    // Q7, facts: docker, "Finding the engine"
    #[test]
    fn who_names_an_engine_means_that_one() {
        let user = Path::new("/u");
        let environment = [("DOCKER_HOST", "tcp://10.0.0.1:2375"), ("DOCKER_CONTEXT", "x")];
        assert_eq!(check(Some("/s.sock"), &environment, user), ["unix:///s.sock"]);
        assert_eq!(check(Some("unix:///s.sock"), &environment, user), ["unix:///s.sock"]);
        assert_eq!(check(None, &environment, user), ["tcp://10.0.0.1:2375"]);
        assert_ne!(check(None, &[("DOCKER_HOST", "")], user), ["unix://"]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_sockets_of_linux() {
        assert_eq!(
            check(None, &[("XDG_RUNTIME_DIR", "/run/user/1")], Path::new("/u")),
            [
                "unix:///var/run/docker.sock",
                "unix:///run/user/1/docker.sock",
                "unix:///run/user/1/podman/podman.sock",
                "unix:///run/podman/podman.sock",
            ]
        );
    }

    #[test]
    fn the_context_comes_first() {
        let user = tempfile::tempdir().unwrap();
        let config = user.path().join(".docker");
        let context = |name: &str, host: &str| {
            let folder = config.join("contexts/meta").join(hex::encode(Sha256::digest(name.as_bytes())));
            fs::create_dir_all(&folder).unwrap();
            let meta = serde_json::json!({"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host}}});
            fs::write(folder.join("meta.json"), meta.to_string()).unwrap();
        };
        context("colima", "unix:///u/.colima/default/docker.sock");
        context("other", "unix:///other.sock");
        let first = |environment: &[(&str, &str)]| check(None, environment, user.path()).swap_remove(0);
        let default = "unix:///var/run/docker.sock";

        assert_eq!(first(&[]), default);
        fs::write(config.join("config.json"), r#"{"auths": {}, "currentContext": "colima"}"#).unwrap();
        assert_eq!(first(&[]), "unix:///u/.colima/default/docker.sock");
        assert_eq!(first(&[("DOCKER_CONTEXT", "other")]), "unix:///other.sock");
        for none in ["default", "gone"] {
            assert_eq!(first(&[("DOCKER_CONTEXT", none)]), default);
        }
        let elsewhere = [("DOCKER_CONFIG", config.to_str().unwrap())];
        assert_eq!(check(None, &elsewhere, Path::new("/nobody"))[0], "unix:///u/.colima/default/docker.sock");
    }

    // Q7
    #[test]
    fn a_refusal_is_not_an_absence() {
        for (kind, refused) in [(io::ErrorKind::PermissionDenied, true), (io::ErrorKind::ConnectionRefused, false)] {
            let error = anyhow::Error::from(io::Error::from(kind)).context("client error (Connect)");
            assert_eq!(is_refusal(error.as_ref()), refused, "{kind}");
        }
    }

    // Q7, R1
    #[test]
    fn an_engine_that_is_too_old_is_told() {
        for (api, old) in
            [("1.40", true), ("1.9", true), ("1.41", false), ("1.100", false), ("2.0", false), ("?", false)]
        {
            assert_eq!(too_old(api).is_some(), old, "{api}");
        }
    }

    #[test]
    fn names() {
        for (address, platform, component, expect) in [
            ("unix:///var/run/docker.sock", "", "Engine", "Docker"),
            ("unix:///var/run/docker.sock", "Docker Engine - Community", "Engine", "Docker"),
            ("unix:///u/.docker/run/docker.sock", "Docker Desktop 4.40.0 (1)", "Engine", "Docker Desktop"),
            ("unix:///u/.orbstack/run/docker.sock", "Docker Engine - Community", "Engine", "OrbStack"),
            ("unix:///run/podman/podman.sock", "linux/amd64/debian-13", "Podman Engine", "Podman"),
        ] {
            assert_eq!(name(address, platform, component), expect, "{address}");
        }
    }
}
