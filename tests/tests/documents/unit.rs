//! The sample systemd unit starts what README.md sets up, with the limits that the broker requires.

use super::tree;

/// Values of a key of the unit, in order.
fn values(unit: &str, key: &str) -> Vec<String> {
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    lines.filter(|(name, _)| *name == key).map(|(_, value)| value.to_owned()).collect()
}

#[test]
fn the_unit_starts_the_broker_of_the_readme() {
    let (unit, readme) = (tree::read("config/vouchsafe.service"), tree::read("README.md"));
    let started = values(&unit, "ExecStart");
    let command = started.first().and_then(|command| command.strip_prefix("/usr/local/bin/"));
    let command = command.expect("the program is where README.md installs it");
    assert!(readme.contains(&format!("\n    {command}\n")), "README.md does not have: {command}");
    assert!(command.contains(" --config /var/lib/vouchsafe/"), "the state directory has the configuration");
    assert_eq!(values(&unit, "StateDirectory"), ["vouchsafe"]);
}

#[test]
fn the_unit_lifts_the_limits_that_the_broker_warns_about() {
    let (unit, config) = (tree::read("config/vouchsafe.service"), tree::read("config/broker.toml"));
    assert_eq!(values(&unit, "LimitMEMLOCK"), ["infinity"]);
    let connections = number(&config, "#= connections = ");
    assert!(number(&unit, "LimitNOFILE=") > 2 * connections, "both listeners and their files");
    assert!(number(&unit, "TimeoutStopSec=") > number(&config, "#= stop_timeout = "));
}

/// The user is made by the file beside the unit, and owns what the unit lets it write.
#[test]
fn the_unit_has_a_user_of_its_own() {
    let (unit, users) = (tree::read("config/vouchsafe.service"), tree::read("config/vouchsafe.sysusers"));
    let user = values(&unit, "User");
    let [user] = user.as_slice() else { panic!("one user, not {user:?}") };
    assert!(users.lines().any(|line| line.starts_with(&format!("u {user} "))), "{users}");
    assert_eq!(values(&unit, "Type"), ["notify"], "which the broker answers");
}

/// `systemd-analyze security` gives 0 to 10 points, here in tenths.
#[test]
fn the_unit_leaves_little_exposed() {
    let mut command = std::process::Command::new("systemd-analyze");
    command.args(["security", "--offline=true", "--no-pager", "--threshold=20"]);
    let output = command.arg(tree::root().join("config/vouchsafe.service")).output();
    let Ok(output) = output else {
        eprintln!("skipped: there is no systemd-analyze here");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The number that follows a text at the start of a line.
fn number(text: &str, start: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(start));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no number after {start}"))
}
