//! `vouchsafe policy schema`: the reference of what policies can read.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use vouchsafe_policy::{ClaimReference, claim_references, claims_markdown};

use super::super::failure::Failure;
use super::super::output;

#[derive(Debug, Args)]
pub(in super::super) struct Schema {
    /// Only this claim and those below it, such as principal.vtpm or context.
    claim: Option<String>,
    /// Print everything as Markdown (docs/claims.md).
    #[arg(long, conflicts_with = "claim")]
    markdown: bool,
}

impl Schema {
    pub(in super::super) fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        if self.markdown {
            return output::print_document(&claims_markdown());
        }
        let claims = claim_references(self.claim.as_deref());
        if claims.is_empty() {
            let claim = self.claim.as_deref().unwrap_or_default();
            return Err(Failure::Usage(format!("no claim is named {claim}: see vouchsafe policy schema")));
        }
        if json { output::print_json(&claims) } else { output::print(&human(&claims)) }
    }
}

fn human(claims: &[ClaimReference]) -> String {
    let mut text = String::new();
    for ClaimReference { path, of, values, from, about, absent } in claims {
        let _ = write!(text, "{path}: {of}");
        if !values.is_empty() {
            let _ = write!(text, " (\"{}\")", values.join("\", \""));
        }
        let _ = writeln!(text, "\n    {about} From: {from}.");
        if let Some(when) = absent {
            let _ = writeln!(text, "    Absent if {when}.");
        }
    }
    text
}
