//! Lines on the runner's stdin (R3): what is read is written and read again as the same, on one line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nanoclaw_protocol::{FollowUp, Request};

fuzz_target!(|line: &[u8]| {
    if let Ok(request) = serde_json::from_slice::<Request>(line) {
        let written = request.to_line();
        assert_eq!(written.find('\n'), Some(written.len() - 1));
        assert!(serde_json::from_str::<Request>(&written).expect("its own line") == request);
        let shown = format!("{request:?}");
        assert!(request.secrets.values().filter(|secret| secret.len() > 8).all(
            |secret| !shown.contains(secret.as_str())
            // A name or a prompt may hold the same by chance.
            || written.matches(secret.as_str()).count() > 1
        ));
    }
    if let Ok(follow_up) = serde_json::from_slice::<FollowUp>(line) {
        let written = follow_up.to_line();
        assert_eq!(written.find('\n'), Some(written.len() - 1));
        assert_eq!(serde_json::from_str::<FollowUp>(&written).expect("its own line"), follow_up);
    }
});
