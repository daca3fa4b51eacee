//! Which of Kiro's tools a group's agent may use. The runner holds it: what isn't listed is refused when Kiro asks.
//!
//! Main may use all. Others get what works inside their container, and our own tools; not the MCP servers of the user's
//! own configuration, because those act with the owner's credentials.

/// By the names that kiro-cli has for them since its first versions; the runner knows the newer ones as well.
const DEFAULT: [&str; 11] = [
    "fs_read",
    "fs_write",
    "execute_bash",
    "grep",
    "glob",
    "code",
    "thinking",
    "todo_list",
    // These two read what anybody may; a shell in the container could as well.
    "web_search",
    "web_fetch",
    "@nanoclaw",
];

/// The tools of a run; `None` for all. `own` is what was set for the group, if anything was.
pub fn tools(is_main: bool, own: Option<&[String]>) -> Option<Vec<String>> {
    match own {
        _ if is_main => None,
        Some(own) => Some(own.to_vec()),
        None => Some(DEFAULT.map(str::to_owned).to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_trust() {
        let own = ["fs_read".to_owned(), "@shop/buy".to_owned()];
        assert_eq!(tools(true, None), None);
        assert_eq!(tools(true, Some(&own)), None);
        assert_eq!(tools(false, Some(&own)), Some(own.to_vec()));
        assert_eq!(tools(false, Some(&[])), Some(vec![]));

        let others = tools(false, None).unwrap();
        // What acts with the owner's credentials, or as another agent.
        for tool in ["use_aws", "aws", "report_issue", "subagent", "use_subagent", "delegate"] {
            assert!(!others.iter().any(|listed| listed == tool), "{tool}");
        }
        let servers: Vec<_> = others.iter().filter(|tool| tool.starts_with('@')).collect();
        assert_eq!(servers, ["@nanoclaw"]);
    }
}
