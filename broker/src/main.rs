//! `vouchsafe`: the broker and the operator's tool.

use std::process::ExitCode;

/// Memory of a release is allocated on one thread and freed on another; the C library's allocator takes locks
/// for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    vouchsafe_broker::cli::main()
}
