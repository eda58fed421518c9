//! `vouchsafe keyring reseal`: calls the broker until nothing remains; the broker works on a part at a time.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::api::keyring::{Resealed, UnreadableRow};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output;

/// Exit code 1 if rows remain that cannot be resealed.
pub(super) fn reseal(client: &Client, json: bool) -> Result<ExitCode, Failure> {
    let call = || output::read_answer(client.ask("/v1/keyring/reseal", &json!({}))?);
    let all = until_done(call, |all| {
        output::note(&format!("{} rows are resealed, {} remain", all.rows, all.remaining));
    })?;
    let answer = serde_json::to_value(&all).unwrap_or_default();
    let printed = output::show(json, answer, |_: Value| human(&all))?;
    Ok(if all.remaining == 0 { printed } else { ExitCode::FAILURE })
}

/// Calls until nothing remains, or a call reseals nothing; returns what all calls have done.
fn until_done(
    mut call: impl FnMut() -> Result<Resealed, Failure>,
    progress: impl Fn(&Resealed),
) -> Result<Resealed, Failure> {
    let mut rows = 0_u64;
    loop {
        let done = call()?;
        rows = rows.saturating_add(done.rows);
        let is_last = done.rows == 0 || done.remaining == 0;
        let all = Resealed { rows, ..done };
        if is_last {
            return Ok(all);
        }
        progress(&all);
    }
}

fn human(Resealed { generation, rows, remaining, unreadable }: &Resealed) -> String {
    if *remaining == 0 {
        return format!("Every row is under generation {generation}; resealed just now: {rows}.");
    }
    let lines = unreadable
        .iter()
        .map(|UnreadableRow { table, key, problem }| format!("  {table} {key}: {problem}\n"));
    format!(
        "Resealed just now: {rows}. {remaining} rows are not under generation {generation}, and keep the one before needed. Those found \
         not to be what the broker wrote:\n\n{}\nPut each of them in order as it says, then run this again.\n",
        lines.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(rows: u64, remaining: u64) -> Resealed {
        let row = || UnreadableRow {
            table: "operators".into(),
            key: "kim".into(),
            problem: "row kim of table operators was tampered with; restore it".into(),
        };
        Resealed {
            generation: 2,
            rows,
            remaining,
            unreadable: (0..remaining.min(1)).map(|_| row()).collect(),
        }
    }

    fn all(answers: &[Resealed]) -> (Resealed, usize) {
        let mut left = answers.iter().cloned();
        let all = until_done(|| Ok(left.next().expect("no call after the last one")), |_| {}).expect("done");
        (all, left.len())
    }

    #[test]
    fn it_goes_on_until_nothing_remains() {
        let (all, left) = all(&[done(4096, 5000), done(4096, 904), done(904, 0)]);
        assert_eq!((all.rows, all.remaining, left), (9096, 0, 0));
        assert_eq!(human(&all), "Every row is under generation 2; resealed just now: 9096.");
    }

    #[test]
    fn it_ends_at_rows_that_cannot_be_resealed_and_names_them() {
        let (all, left) = all(&[done(40, 1), done(0, 1)]);
        assert_eq!((all.rows, all.remaining, left), (40, 1, 0));
        let said = human(&all);
        assert!(said.starts_with("Resealed just now: 40. 1 rows are not under generation 2"), "{said}");
        assert!(
            said.contains("\n  operators kim: row kim of table operators was tampered with; restore it\n"),
            "{said}"
        );
    }
}
