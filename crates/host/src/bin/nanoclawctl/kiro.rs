//! `kiro`: asks the kiro-cli of this computer itself, whether NanoClaw runs or not.

use jiff::Timestamp;
use nanoclaw_core::{
    kiro::{SignIn, Whoami},
    problem::Trouble,
    status::SignInStatus,
};
use nanoclaw_host::{kiro, paths::Home, settings};
use serde_json::json;

use crate::out::{Failure, Out, plain};

/// With `--json`: `{mode, path, host}`, `host` as in AppStatus, `path` null where kiro-cli was not found.
pub async fn status(home: &Home, out: &mut Out) -> Result<(), Failure> {
    let settings = settings::load(home).0;
    let path = kiro::find(&settings, &home.places());
    let whoami = match &path {
        Some(path) => kiro::whoami(path).await,
        None => Whoami::missing(),
    };
    let host = SignInStatus::new(whoami, Timestamp::now());
    if out.json {
        return out.value(&json!({"mode": settings.kiro_mode, "path": path, "host": host}));
    }
    let cure = match host.state {
        SignIn::Missing => Some(Trouble::KiroMissing.problem().cure),
        SignIn::SignedOut => Some(Trouble::KiroSignedOut.problem().cure),
        SignIn::SignedIn | SignIn::Unknown => None,
    };
    out.line([Some(plain(&host.text)), cure].into_iter().flatten().collect::<Vec<_>>().join(" "))
}
