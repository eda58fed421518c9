//! `vouchsafe keyring reseal`: calls the broker until nothing remains; the broker works on a part at a time.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::api::keyring::{Resealed, UnreadableRow};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output;

pub(super) fn reseal(client: &Client, json: bool) -> Result<ExitCode, Failure> {
    let mut rows = 0_u64;
    loop {
        let answer = client.ask("/v1/keyring/reseal", &json!({}))?;
        let done: Resealed = output::read_answer(answer)?;
        rows = rows.saturating_add(done.rows);
        let is_stuck = done.rows == 0 && done.remaining > 0;
        if done.remaining > 0 && !is_stuck {
            output::note(&format!("{rows} rows are resealed, {} remain", done.remaining));
            continue;
        }
        let all = Resealed { rows, ..done };
        let answer = serde_json::to_value(&all).unwrap_or_default();
        let printed = output::show(json, answer, |_: Value| human(&all))?;
        return Ok(if is_stuck { ExitCode::FAILURE } else { printed });
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
