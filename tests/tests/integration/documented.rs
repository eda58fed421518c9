//! The commands of README.md and docs/*.md work as written.

use std::process::Command;

use vouchsafe_tests::broker::program;

#[test]
fn documented_commands_work_as_they_are_written() {
    run(&[]);
}

#[test]
fn a_first_secret_on_google_cloud_works_as_it_is_written() {
    run(&["gce"]);
}

fn run(pages: &[&str]) {
    let output = Command::new("unshare")
        .args(["--mount", "--net", "--propagation", "private"])
        .arg(program("documented").expect("built with these tests"))
        .args(pages)
        .output()
        .expect("unshare runs (as root)");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
