//! `diagnostics`: packs what helps to find a fault, whether NanoClaw runs or not.

use std::path::Path;

use nanoclaw_host::{diagnostics::pack, paths::Home};
use serde_json::json;

use crate::out::{Failure, Out, internal};

/// With `--json`: `{path, files: [name]}`.
pub async fn diagnostics(home: &Home, file: &Path, out: &mut Out) -> Result<(), Failure> {
    let files = pack(home, file).await.map_err(|error| internal(format!("{error:#}")))?;
    let path = std::path::absolute(file)?;
    if out.json {
        return out.value(&json!({"path": path, "files": files}));
    }
    out.line(format!("{} holds {}.", path.display(), files.join(", ")))?;
    out.line(
        "Phone numbers, names of chats and e-mail addresses are taken out. Look through it before you give it away.",
    )
}
