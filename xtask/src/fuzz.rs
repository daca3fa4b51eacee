//! `cargo xtask fuzz`: what others write is thrown at our own readers, each for a million inputs or two minutes.
//!
//! The targets lie in `testing/fuzz`; what they found interesting is kept in `target/fuzz`. Not a part of `cargo xtask test`.

use std::fs;

use anyhow::{Result, bail};

use crate::needs;
use crate::program::{answer, cargo, root, run};
use crate::steps::Steps;

/// All targets, or the one named.
pub fn fuzz(only: Option<&str>) -> Result<()> {
    let mut steps = Steps::begin();
    steps.step("cargo-fuzz", needs::for_fuzz)?;
    let all = answer(cargo().args(["fuzz", "list", "--fuzz-dir", "testing/fuzz"]))?;
    let chosen: Vec<&str> = all.lines().filter(|name| only.is_none_or(|only| only == *name)).collect();
    if chosen.is_empty() {
        bail!("there is no such target: {}", all.replace('\n', ", "));
    }
    for target in chosen {
        let corpus = root().join("target/fuzz/corpus").join(target);
        fs::create_dir_all(&corpus)?;
        steps.step(target, || {
            run(cargo()
                // The instrumentation is not for stable compilers otherwise.
                .env("RUSTC_BOOTSTRAP", "1")
                .args(["fuzz", "run", "--fuzz-dir", "testing/fuzz", "--target-dir", "target/fuzz"])
                .args(["--features", "nanoclaw-host/fake-peers", target])
                .arg(corpus)
                .args(["--", "-runs=1000000", "-max_total_time=120", "-max_len=4096", "-print_final_stats=1"]))
        })?;
    }
    steps.end();
    Ok(())
}
