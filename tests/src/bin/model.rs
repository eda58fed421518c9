//! The protocol as a symbolic model: runs Verifpal over `docs/model/*.vp`, once unchanged, where every query
//! must hold, and once without each binding, where at least one must break. The table of what breaks is part
//! of `docs/model/README.md`.
//!
//! A binding whose removal alone breaks nothing must name the binding that covers it, and removing both must
//! break something. Each layout stated in a comment in `protocol/src` must be cited by a model, so that a new
//! field cannot be forgotten here.

#[path = "model/layouts.rs"]
mod layouts;
#[path = "model/source.rs"]
mod source;
#[path = "model/table.rs"]
mod table;
#[path = "model/verifpal.rs"]
mod verifpal;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::Parser;

use source::Model;
use table::{Outcome, Row, Section};
use verifpal::Verifpal;

/// Checks the models of the protocol, and that the table in their README matches the results.
#[derive(Debug, Parser)]
struct Arguments {
    /// The program.
    #[arg(long)]
    verifpal: PathBuf,
    /// Writes the table instead of comparing it.
    #[arg(long)]
    write: bool,
    /// Checks only the complete models, with this many concurrent sessions of every principal; the table is
    /// not compared.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    sessions: Option<u8>,
    /// Checks only these models, by name; the table is printed, and neither compared nor written.
    models: Vec<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("docs/model");
    let (models, cited) = read(&folder, &arguments.models)?;
    let scratch = tempfile::tempdir()?;
    let verifpal = Verifpal::new(arguments.verifpal, scratch.path().to_owned());
    if let Some(sessions) = arguments.sessions {
        return as_they_are(&verifpal, &models, sessions);
    }
    let sections =
        models.iter().map(|model| section(&verifpal, model)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut findings: Vec<String> = sections.iter().flat_map(Section::findings).collect();
    if arguments.models.is_empty() {
        findings.extend(uncited(&root, &cited)?);
        findings.extend(table::settle(&folder.join("README.md"), &sections, arguments.write)?);
    } else {
        say(&table::render(&sections))?;
    }
    report(&findings)
}

/// The models, and the layouts that their comments cite.
fn read(folder: &Path, only: &[String]) -> anyhow::Result<(Vec<Model>, BTreeSet<String>)> {
    let (mut models, mut cited) = (Vec::new(), BTreeSet::new());
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".vp")) else {
            continue;
        };
        let text = fs::read_to_string(&path)?;
        cited.extend(layouts::stated(&text));
        if only.is_empty() || only.iter().any(|wanted| wanted == name) {
            models.push(Model::parse(name, &text)?);
        }
    }
    ensure!(!models.is_empty(), "no such model in {}", folder.display());
    models.sort_by(|one, other| one.name.cmp(&other.name));
    Ok((models, cited))
}

fn as_they_are(verifpal: &Verifpal, models: &[Model], sessions: u8) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    for model in models {
        let start = Instant::now();
        let sessions = if model.beyond.is_some() { 1 } else { sessions };
        let broken = verifpal.broken(model, &[], sessions)?;
        say(&format!(
            "{}: {} queries, {} broken, {:.0?}",
            model.name,
            model.queries.len(),
            broken.len(),
            start.elapsed()
        ))?;
        findings.extend(broken.iter().map(|query| format!("{}: does not hold: {query}", model.name)));
    }
    report(&findings)
}

fn section(verifpal: &Verifpal, model: &Model) -> anyhow::Result<Section> {
    let start = Instant::now();
    let most = if model.beyond.is_some() { 1 } else { SESSIONS };
    let base = verifpal.broken(model, &[], most)?;
    let beyond = model.beyond.clone().map(|(name, reason)| {
        let broken = verifpal.broken(model, &[], SESSIONS)?;
        anyhow::Ok((name, reason, Outcome { broken, sessions: SESSIONS }))
    });
    let mut rows = Vec::new();
    for binding in &model.bindings {
        let alone = verifpal.outcome(model, &[binding], most)?;
        let covered = model.covered.iter().filter(|covered| covered.binding == *binding);
        let covered = covered
            .map(|covered| {
                let by = covered.by.iter().map(String::as_str);
                let all = verifpal.outcome(model, &by.chain([binding.as_str()]).collect::<Vec<_>>(), most)?;
                Ok((covered.by.clone(), covered.reason.clone(), all))
            })
            .collect::<anyhow::Result<Vec<(Vec<String>, String, Outcome)>>>()?;
        rows.push(Row { binding: binding.clone(), alone, covered });
    }
    say(&format!("{}: {} bindings, {:.0?}", model.name, rows.len(), start.elapsed()))?;
    Ok(Section {
        model: model.name.clone(),
        queries: model.queries.clone(),
        base,
        beyond: beyond.transpose()?,
        rows,
    })
}

fn uncited(root: &Path, cited: &BTreeSet<String>) -> anyhow::Result<Vec<String>> {
    let stated = layouts::of_sources(&root.join("protocol/src"))?;
    let stated = stated.iter().filter(|layout| !OUTSIDE.iter().any(|outside| layout.starts_with(outside)));
    let missing = stated
        .clone()
        .filter(|layout| !cited.contains(*layout))
        .map(|layout| format!("no model cites: {layout}"));
    let gone = cited.iter().filter(|layout| !stated.clone().any(|found| found == *layout));
    Ok(missing.chain(gone.map(|layout| format!("cited, and not in protocol/src: {layout}"))).collect())
}

fn report(findings: &[String]) -> anyhow::Result<ExitCode> {
    for finding in findings {
        say(finding)?;
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// Concurrent sessions of every principal: with one alone nothing can be replayed.
const SESSIONS: u8 = 2;

/// Collateral bundles pass between brokers and are not part of a release.
const OUTSIDE: [&str; 1] = ["label || signer || made_at"];
