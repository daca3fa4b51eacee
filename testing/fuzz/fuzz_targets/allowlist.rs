//! The mount allowlist and what is asked of it (X1–X4): nothing outside the allowed roots, nothing blocked, no place outside
//! of `/workspace/extra`, nothing writable that may only be read.

#![no_main]

use std::path::{Component, Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use nanoclaw_core::{
    allowlist::Allowlist,
    extra::{EXTRA, judge, wanted},
};
use nanoclaw_protocol::ipc::AdditionalMount;

fuzz_target!(|input: (&str, Vec<(&str, Option<&str>, Option<bool>)>, bool)| {
    let (file, asked, is_main) = input;
    let user = Path::new("/home/alice");
    let given = r#"{"allowedRoots": [{"path": "~/projects", "allowReadWrite": true}, {"path": "/srv", "allowReadWrite": false}],
                    "blockedPatterns": ["private"], "nonMainReadOnly": true}"#;
    let Ok(allowlist) = Allowlist::parse(if file.is_empty() { given } else { file }, user) else { return };
    let asked: Vec<AdditionalMount> = asked
        .into_iter()
        .map(|(host, container, readonly)| AdditionalMount {
            host_path: host.to_owned(),
            container_path: container.map(str::to_owned),
            readonly,
        })
        .collect();
    let own = [PathBuf::from("/home/alice/.kiro")];
    for wanted in wanted(&asked, user).into_iter().flatten() {
        // The host resolves links; what it would resolve has no `..` any more.
        if wanted.path.components().any(|part| part == Component::ParentDir) {
            continue;
        }
        let Ok(mount) = judge(&wanted, &wanted.path, is_main, &allowlist, &own) else { continue };
        let root = allowlist.root_of(&mount.host).expect("a root around it");
        assert!(mount.host.starts_with(&root.path));
        assert!(!mount.host.to_string_lossy().to_lowercase().contains(".ssh"));
        assert!(!mount.host.starts_with(&own[0]) && !own[0].starts_with(&mount.host));
        assert!(mount.read_only || root.allow_read_write && (is_main || !allowlist.non_main_read_only));
        let place = Path::new(&mount.container).strip_prefix(EXTRA).expect("below extra");
        assert!(place.components().count() > 0 && place.components().all(|part| matches!(part, Component::Normal(_))));
    }
});
