//! A rotation of the keyring, with a kill in the middle of each step: one round of `crash --rotation`.

use std::process::Command;

use vouchsafe_tests::broker::program;

#[test]
fn every_step_of_a_rotation_survives_a_kill_under_puts_and_releases() {
    let mut crash = Command::new(program("crash").expect("built with these tests"));
    let output = crash.args(["--rotation", "--rounds", "2", "--operations", "100"]).output().expect("runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for step in ["add", "promote", "reseal", "backup", "remove", "restore"] {
        assert!(said.contains(&format!(" {step} ")), "{step}: {said}");
    }
    assert!(said.contains("all there"), "{said}");
}
