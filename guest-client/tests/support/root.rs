//! Tests that change owners and mounts need root.

/// Whether this is root; otherwise the test should be skipped.
#[allow(clippy::print_stdout, reason = "tests say that they were skipped")]
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    assert!(root || std::env::var_os("CI").is_none(), "CI runs these tests as root");
    if !root {
        println!("skipped: needs root");
    }
    root
}
