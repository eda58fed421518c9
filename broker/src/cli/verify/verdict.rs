//! Prints the result of a verification.

use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};
use vouchsafe_attestation::VerifyError;

use super::super::failure::Failure;
use super::super::output;

/// Prints the claims, or why the evidence is refused. Withheld claims are also listed on standard error, for
/// people.
pub(super) fn verdict(verdict: Result<impl Serialize, VerifyError>) -> Result<ExitCode, Failure> {
    match verdict {
        Ok(claims) => {
            let claims = serde_json::to_value(&claims)
                .map_err(|error| Failure::System { what: "JSON", source: error.into() })?;
            withheld(&claims).for_each(|line| output::note(&line));
            output::print_json(&claims)
        }
        Err(error) => {
            output::print_json(&json!({ "refused": error.name(), "detail": error.to_string() }))?;
            Ok(ExitCode::from(1))
        }
    }
}

/// One line for each claim that the evidence or its boot log withholds.
fn withheld(claims: &Value) -> impl Iterator<Item = String> {
    let lists = ["/withheld", "/boot/withheld", "/vtpm/boot/withheld", "/tdx/unconfirmed_boot/withheld"];
    let all = lists.into_iter().filter_map(|list| claims.pointer(list)?.as_array()).flatten();
    all.filter_map(|one| {
        let text = |member: &str| one.get(member).and_then(Value::as_str);
        Some(format!("{} is absent: {} ({})", text("claim")?, text("detail")?, text("reason")?))
    })
}
