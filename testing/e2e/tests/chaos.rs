//! Whatever is killed when: every message is answered exactly once. `cargo xtask chaos` plays more of it.

use anyhow::Result;
use nanoclaw_e2e::chaos;

#[tokio::test]
async fn every_message_is_answered_once_whatever_is_killed_when() -> Result<()> {
    // C1, C2, C3, M12, M13, Q6, Q7
    // Twenty rounds, in two scenes: much of a round is waiting for what is tried again after 5 s.
    let (one, other) = tokio::join!(chaos::play("chaos_one", 10, 1), chaos::play("chaos_other", 10, 11));
    for tally in [one?, other?] {
        assert!(tally.is_well(), "{tally}");
    }
    Ok(())
}
