//! Whatever is killed when: every message is answered exactly once. `cargo xtask chaos` plays more of it.

use anyhow::Result;
use nanoclaw_e2e::chaos;

#[tokio::test]
async fn every_message_is_answered_once_whatever_is_killed_when() -> Result<()> {
    // C1, C2, C3, M12, M13, Q6, Q7
    let tally = chaos::play("chaos", 20, 1).await?;
    assert!(tally.is_well(), "{tally}");
    Ok(())
}
