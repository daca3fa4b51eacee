//! `nanoclaw-chaos ROUNDS SEED` (`cargo xtask chaos`): the table of what came of so many rounds; fails when anything was lost,
//! doubled, out of order or left behind.

#![allow(clippy::print_stdout, reason = "the table is the answer")]

use anyhow::{Context, Result, ensure};
use nanoclaw_e2e::chaos;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let rounds = words.next().context("how many rounds?")?.parse()?;
    let seed = words.next().context("which seed?")?.parse()?;
    let tally = chaos::play("chaos_by_hand", rounds, seed).await?;
    println!("{tally}");
    ensure!(tally.is_well(), "not every message was answered exactly once, in order, with nothing left behind");
    Ok(())
}
