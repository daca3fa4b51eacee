//! What Kiro's failures mean, told from their texts (A5; facts of kiro-cli). Pure; used by [`crate::kiro`].

use nanoclaw_protocol::Cause;

/// Lower-case pieces of text, in the order of asking. A sign-in failure often brings the network's words along, so it is first.
const TABLE: [(Cause, &[&str]); 9] = [
    (
        Cause::Browser,
        &[
            "failed to open browser",
            "--use-device-flow",
            "failed to open url",
            "failed to initialize auth portal",
            "auth portal timed out",
            "all callback ports are in use",
        ],
    ),
    (
        Cause::Expired,
        &[
            "expiredtoken",
            "token has expired",
            "token is expired",
            "token expired",
            "session has expired",
            "bearer token included in the request is invalid",
            "failed to refresh token",
        ],
    ),
    (
        Cause::SignedOut,
        &["not logged in", "set the kiro_api_key", "run `kiro-cli login`", "please log in", "authentication required"],
    ),
    (Cause::DiskFull, &["no space left on device", "disk quota exceeded", "disk is full"]),
    (
        Cause::Quota,
        &[
            "throttl",
            "too many requests",
            "rate limit",
            "rate exceeded",
            "quota",
            "usage limit",
            "monthly limit",
            "request limit",
            "out of credits",
            "insufficient credits",
        ],
    ),
    (
        Cause::Model,
        &[
            "invalid model",
            "unknown model",
            "model not found",
            "no such model",
            "model is not available",
            "model is unavailable",
            "invalid_model_id",
        ],
    ),
    (
        Cause::Agent,
        &[
            "agent not found",
            "agent/not_found",
            "no such agent",
            "no agent with name",
            "invalid agent config",
            "agent config is invalid",
        ],
    ),
    (Cause::Mcp, &["mcp server", "mcp startup", "mcp/server_init_failure"]),
    (
        Cause::Network,
        &[
            "dispatch failure",
            "dns error",
            "failed to lookup address",
            "could not resolve host",
            "connection refused",
            "connection reset",
            "network is unreachable",
            "error sending request",
            "tls handshake",
            "timed out",
        ],
    ),
];

/// None where the text says nothing that is known.
pub fn of(text: &str) -> Option<Cause> {
    let text = text.to_lowercase();
    let has = |line: &str, cause| {
        TABLE.iter().any(|(of, signs)| *of == cause && signs.iter().any(|sign| line.contains(sign)))
    };
    // A line about an MCP server may tell of a sign-in, a limit or a network of that server's.
    let means = |line: &str, cause| has(line, cause) && (cause == Cause::Mcp || !has(line, Cause::Mcp));
    TABLE.iter().map(|(cause, _)| *cause).find(|cause| text.lines().any(|line| means(line, *cause)))
}

/// Only Kiro itself says these. An MCP server or a tool that speaks of a sign-in of its own does not.
const KIROS_OWN: [&str; 5] = [
    "failed to open browser for authentication",
    "failed to initialize auth portal",
    "auth portal timed out",
    "kiro-cli login",
    "set the kiro_api_key",
];

/// The cause of a sign-in failure that ends a wait at once: Kiro could otherwise wait minutes for a browser.
pub fn of_sign_in(text: &str) -> Option<Cause> {
    let lower = text.to_lowercase();
    KIROS_OWN.iter().any(|sign| lower.contains(sign)).then(|| of(text).unwrap_or(Cause::SignedOut))
}

#[cfg(test)]
mod tests {
    use super::*;

    // A5: the texts of the facts page, and some neighbours.
    #[test]
    fn causes() {
        use Cause::*;
        for (text, cause) in [
            ("error: Failed to open browser for authentication", Some(Browser)),
            ("Please try again with: kiro-cli login --use-device-flow", Some(Browser)),
            ("Failed to open URL", Some(Browser)),
            ("Failed to initialize auth portal", Some(Browser)),
            ("Auth portal timed out", Some(Browser)),
            ("All callback ports are in use", Some(Browser)),
            (
                "Not logged in. Set the KIRO_API_KEY environment variable or run `kiro-cli login` first.",
                Some(SignedOut),
            ),
            ("You are not logged in", Some(SignedOut)),
            ("ExpiredTokenException: The security token is expired (dispatch failure)", Some(Expired)),
            ("ThrottlingException: Rate exceeded", Some(Quota)),
            ("write failed: No space left on device (os error 28)", Some(DiskFull)),
            ("Invalid model ID: claude-9", Some(Model)),
            ("no agent with name x found", Some(Agent)),
            ("MCP server fetch failed to start", Some(Mcp)),
            ("MCP server github failed: token has expired", Some(Mcp)),
            ("mcp startup: not logged in to the shop\nRate exceeded", Some(Quota)),
            ("MCP server shop timed out\nerror: Not logged in", Some(SignedOut)),
            ("dispatch failure: dns error", Some(Network)),
            ("something else", None),
        ] {
            assert_eq!(of(text), cause, "{text}");
        }
        for (text, cause) in [
            ("error: Failed to open browser for authentication", Some(Browser)),
            (
                "error: Not logged in. Set the KIRO_API_KEY environment variable or run `kiro-cli login` first.",
                Some(SignedOut),
            ),
            ("You are not logged in to the shop", None),
            ("Rate exceeded", None),
        ] {
            assert_eq!(of_sign_in(text), cause, "{text}");
        }
    }
}
