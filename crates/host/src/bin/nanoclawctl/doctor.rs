//! `doctor`: looks at everything, whether NanoClaw runs or not.

use nanoclaw_host::{
    doctor::{Outcome, examine},
    paths::Home,
};

use crate::out::{Failure, Out, plain};

/// With `--json`: `[{id, outcome: "good"|"warning"|"bad", text, problem: {code, text, cure, command}|null}]`. Exit 1 where
/// something is bad.
pub async fn doctor(home: &Home, out: &mut Out) -> Result<(), Failure> {
    let checks = examine(home).await;
    if out.json {
        out.value(&checks)?;
    } else {
        for check in &checks {
            let mark = match check.outcome {
                Outcome::Good => "✓",
                Outcome::Warning => "!",
                Outcome::Bad => "✗",
            };
            out.line(format!("{mark} {}", plain(&check.text)))?;
            if let Some(problem) = &check.problem {
                out.line(format!("  {}", plain(&problem.cure)))?;
            }
        }
    }
    if checks.iter().any(|check| check.outcome == Outcome::Bad) { Err(Failure::Told) } else { Ok(()) }
}
