//! `vouchsafe`: the broker and the operator's tool.

use std::process::ExitCode;

/// What one thread of a release allocates another frees: the C library's allocator takes locks for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    vouchsafe_broker::cli::main()
}
