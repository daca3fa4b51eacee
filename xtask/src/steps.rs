//! The steps of `cargo xtask test` and `run` as a person sees them: a name, the step's own output, its time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

pub struct Steps {
    started: Instant,
    done: Vec<(String, Duration)>,
}

impl Steps {
    pub fn begin() -> Self {
        Self { started: Instant::now(), done: Vec::new() }
    }

    /// # Errors
    /// The work's own, with the step's name before it.
    pub fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("\n==> {name}");
        let began = Instant::now();
        let outcome = work().with_context(|| format!("{name} failed"))?;
        eprintln!("    {name}: {:.1} s", began.elapsed().as_secs_f32());
        self.done.push((name.to_owned(), began.elapsed()));
        Ok(outcome)
    }

    /// The table of all steps and their times.
    pub fn end(self) {
        eprintln!();
        for (name, took) in &self.done {
            eprintln!("{:>8.1} s  {name}", took.as_secs_f32());
        }
        eprintln!("{:>8.1} s  in all", self.started.elapsed().as_secs_f32());
    }
}
