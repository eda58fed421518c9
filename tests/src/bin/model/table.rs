//! The table of what breaks without each binding, and its place in the README.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// The broken queries, and the number of sessions of every principal that were searched.
pub(crate) struct Outcome {
    pub(crate) broken: Vec<String>,
    pub(crate) sessions: u8,
}

pub(crate) struct Row {
    pub(crate) binding: String,
    pub(crate) alone: Outcome,
    /// The covering bindings, the reason, and what breaks without both.
    pub(crate) covered: Vec<(Vec<String>, String, Outcome)>,
}

/// One model.
pub(crate) struct Section {
    pub(crate) model: String,
    pub(crate) queries: Vec<String>,
    /// Queries that fail with every binding in place.
    pub(crate) base: Vec<String>,
    /// What the protocol has in addition to the model, how it helps, and what breaks with two sessions of the
    /// model.
    pub(crate) beyond: Option<(String, String, Outcome)>,
    pub(crate) rows: Vec<Row>,
}

impl Section {
    /// Faults of the model, or of the protocol.
    pub(crate) fn findings(&self) -> Vec<String> {
        let model = &self.model;
        let mut findings: Vec<String> =
            self.base.iter().map(|query| format!("{model}: does not hold: {query}")).collect();
        for (name, ..) in self.beyond.iter().filter(|(.., outcome)| outcome.broken.is_empty()) {
            findings
                .push(format!("{model}: nothing breaks with two sessions, so {name} has nothing to prevent"));
        }
        for Row { binding, alone, covered } in &self.rows {
            match (alone.broken.is_empty(), covered.is_empty()) {
                (true, true) => findings.push(format!("{model}: nothing breaks without {binding}")),
                (false, false) => {
                    let broken = alone.broken.join("; ");
                    findings.push(format!(
                        "{model}: {binding} is marked as covered, and without it breaks: {broken}"
                    ))
                }
                _ => {}
            }
            for (by, _, both) in covered.iter().filter(|(_, _, both)| both.broken.is_empty()) {
                let sessions = both.sessions;
                let by = by.join(", ");
                findings
                    .push(format!("{model}: nothing breaks without {binding}, {by} ({sessions} sessions)"));
            }
        }
        findings
    }
}

/// The tables, in Markdown.
pub(crate) fn render(sections: &[Section]) -> String {
    let mut out = String::new();
    for section in sections {
        let _infallible = write!(out, "\n### [{0}.vp]({0}.vp)\n\nHolds: ", section.model);
        let queries: Vec<_> = section.queries.iter().map(|query| short(query)).collect();
        out.push_str(&queries.join("; "));
        out.push_str(".\n\n| without | breaks |\n|---|---|\n");
        for row in &section.rows {
            let mut cell = breaks(&row.alone, &section.queries);
            for (by, reason, both) in &row.covered {
                let by = by.join("`, `");
                let _infallible = write!(
                    cell,
                    "nothing: {reason}. Without `{by}` as well: {}",
                    breaks(both, &section.queries)
                );
            }
            let _infallible = writeln!(out, "| `{}` | {cell} |", row.binding);
        }
        if let Some((name, reason, outcome)) = &section.beyond {
            let _infallible = writeln!(
                out,
                "| {name}, not in the model: {reason} | {} |",
                breaks(outcome, &section.queries)
            );
        }
    }
    out
}

/// The broken queries, or the unbroken ones if these are fewer.
fn breaks(outcome: &Outcome, queries: &[String]) -> String {
    let names = |broken: bool| {
        let chosen = queries.iter().filter(|query| outcome.broken.contains(query) == broken);
        chosen.map(|query| short(query)).collect::<Vec<_>>()
    };
    let (broken, whole) = (names(true), names(false));
    let text = match (broken.is_empty(), whole.is_empty()) {
        (true, _) => return String::new(),
        (false, true) => "everything".to_owned(),
        (false, false) if whole.len() < broken.len() => format!("all but {}", whole.join("; ")),
        (false, false) => broken.join("; "),
    };
    if outcome.sessions > 1 { format!("{text} (two sessions)") } else { text }
}

/// The table's name of a query.
fn short(query: &str) -> String {
    match query.split_once("? ") {
        Some(("confidentiality", value)) => format!("secrecy of `{value}`"),
        Some(("authentication", message)) => format!("`{message}`"),
        Some(("equivalence", values)) => format!("`{}`", values.replace(", ", " = ")),
        _ => format!("`{query}`"),
    }
}

/// Writes the table into the README, or reports a difference.
pub(crate) fn settle(readme: &Path, sections: &[Section], write: bool) -> anyhow::Result<Option<String>> {
    let text = fs::read_to_string(readme).with_context(|| readme.display().to_string())?;
    let (head, rest) = text.split_once(BEGIN).context("README.md: no marker where the table begins")?;
    let (found, tail) = rest.split_once(END).context("README.md: no marker where the table ends")?;
    let table = render(sections);
    if found == table {
        return Ok(None);
    }
    if write {
        fs::write(readme, [head, BEGIN, &table, END, tail].concat())?;
        return Ok(None);
    }
    Ok(Some(
        "docs/model/README.md: the table differs from this run; `./justw model --write` updates it"
            .to_owned(),
    ))
}

const BEGIN: &str = "<!-- table: begin, written by ./justw model --write -->\n";
const END: &str = "\n<!-- table: end -->";
