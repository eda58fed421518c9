//! `vouchsafe`: the broker and the operator's tool.

use std::process::ExitCode;

fn main() -> ExitCode {
    vouchsafe_broker::cli::main()
}
