//! Runs Verifpal on a model.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::source::Model;
use crate::table::Outcome;

pub(crate) struct Verifpal {
    program: PathBuf,
    scratch: PathBuf,
}

impl Verifpal {
    pub(crate) fn new(program: PathBuf, scratch: PathBuf) -> Self {
        Self { program, scratch }
    }

    /// What breaks without these bindings. An attack in one session is also one in several, so only variants
    /// that hold with one session are searched with `most`.
    pub(crate) fn outcome(&self, model: &Model, removed: &[&str], most: u8) -> anyhow::Result<Outcome> {
        let broken = self.broken(model, removed, 1)?;
        if !broken.is_empty() || most == 1 {
            return Ok(Outcome { broken, sessions: 1 });
        }
        Ok(Outcome { broken: self.broken(model, removed, most)?, sessions: most })
    }

    /// The queries that do not hold.
    pub(crate) fn broken(
        &self,
        model: &Model,
        removed: &[&str],
        sessions: u8,
    ) -> anyhow::Result<Vec<String>> {
        let path = self.scratch.join("variant.vp");
        fs::write(&path, model.without(removed)?)?;
        let what = || format!("{} without {removed:?}", model.name);
        let output = Command::new(&self.program)
            .args(["verify", "--quiet", "--result-code", "--sessions", &sessions.to_string()])
            .arg(&path)
            .output()
            .with_context(|| self.program.display().to_string())?;
        ensure!(output.status.success(), "{}: {}", what(), String::from_utf8_lossy(&output.stderr));
        // A letter and a digit for each query: 0 holds, 1 does not.
        let code = String::from_utf8(output.stdout)?;
        let verdicts: Vec<char> = code.trim().chars().skip(1).step_by(2).collect();
        ensure!(verdicts.len() == model.queries.len(), "{}: unexpected result {code:?}", what());
        ensure!(
            verdicts.iter().all(|verdict| "01".contains(*verdict)),
            "{}: unexpected result {code:?}",
            what()
        );
        let queries = verdicts.iter().zip(&model.queries);
        Ok(queries.filter(|(verdict, _)| **verdict == '1').map(|(_, query)| query.clone()).collect())
    }
}
