//! The demo: its output, and what it leaves running.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use vouchsafe_tests::broker::program;

fn run(command: &mut Command) -> (Output, String) {
    let output = command.output().expect("runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, said)
}

#[test]
fn the_demo_shows_a_release_and_a_refusal_and_ends() {
    let (output, said) = run(&mut Command::new(program("demo").expect("built with these tests")));
    assert!(output.status.success(), "{said}");
    for words in ["1. A broker", "correct horse battery staple", "Why:", "init=/bin/sh", "That was all of it"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("Broker and VM go on running"), "{said}");
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).expect("the README");
    let shown = readme.split("```text\nRefused at ").nth(1).and_then(|rest| rest.split("```").next());
    let shown = format!("Refused at {}", shown.expect("README.md shows an explanation"));
    let explained: String = explanation(&said).iter().map(|line| format!("{line}\n")).collect();
    assert_eq!(lasting(&shown), lasting(&explained), "README.md shows this:\n{explained}");
}

/// What `vouchsafe explain` printed in the demo.
fn explanation(said: &str) -> Vec<&str> {
    let after = said.lines().skip_while(|line| !line.contains("$ vouchsafe explain "));
    let lines = after.skip(1).map_while(|line| line.strip_prefix("   |"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect()
}

/// An explanation without what differs in each run: the time, and the decision's id.
fn lasting(explanation: &str) -> Vec<String> {
    let lines = explanation.lines().map(|line| match line.split_once(": ") {
        Some((start, rest)) if start.starts_with("Refused at ") => format!("Refused at …: {rest}"),
        _ if line.starts_with("  decision  ") => "  decision  …".to_owned(),
        _ => line.trim_end().to_owned(),
    });
    lines.collect()
}

#[test]
fn the_demo_leaves_a_broker_and_a_vm_that_can_be_stopped() {
    let (output, said) = run(Command::new(program("demo").expect("built with these tests")).arg("--keep"));
    assert!(output.status.success(), "{said}");
    let folder = said.lines().find_map(|line| line.trim().strip_prefix("cd ")).expect("where it is");
    // As printed: the commands, in that folder.
    let typed = |line: &str| {
        let (output, said) = run(Command::new("sh").args(["-c", line]).current_dir(folder));
        (output.status.code(), said)
    };
    let fetch = "./vouchsafe-guest fetch prod/db-01/token";
    let tries: Vec<_> = said.lines().map(str::trim).filter(|line| line.starts_with("./")).collect();
    assert!(tries.iter().any(|line| line.starts_with(fetch)), "{said}");
    let codes: Vec<_> = tries.iter().map(|line| typed(line).0).collect();
    let refused = tries.iter().position(|line| line.contains("# refused")).expect("a refusal");
    assert_eq!(codes.get(refused), Some(&Some(10)), "{tries:?}");
    assert!(
        codes.iter().enumerate().all(|(at, code)| at == refused || *code == Some(0)),
        "{tries:?} {codes:?}"
    );
    assert_eq!(typed(fetch), (Some(0), "correct horse battery staple".to_owned()));
    let stop = said.lines().rfind(|line| line.ends_with("/stop")).expect("how to stop it").trim();
    assert!(Command::new(stop).status().expect("runs").success());
    assert!(!Path::new(folder).exists());
}
