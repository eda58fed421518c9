//! The commands of README.md and docs/*.md work as written.

use std::process::Command;

use vouchsafe_tests::broker::program;

#[test]
fn documented_commands_work_as_they_are_written() {
    let output = Command::new("unshare")
        .args(["--mount", "--net", "--propagation", "private"])
        .arg(program("documented").expect("built with these tests"))
        .output()
        .expect("unshare runs (as root)");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
