//! A broker process in a folder created by `vouchsafe init`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

pub(crate) fn vouchsafe() -> Command {
    Command::new(env!("CARGO_BIN_EXE_vouchsafe"))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The process, its first log line when it listens, and the lines after that. Tests use no network, so it
/// fetches no collateral.
pub(crate) fn serve(data: &Path) -> (Child, Value, Receiver<String>) {
    let config = data.join("broker.toml");
    let written = fs::read_to_string(&config).expect("read");
    fs::write(&config, written + "\n[collateral]\nfetch = false\n").expect("written");
    let mut command = vouchsafe();
    command.arg("serve").arg("--config").arg(config);
    let (process, log) = logged(command);
    let mut seen = String::new();
    let listening = log.iter().find_map(|line| {
        seen.push_str(&line);
        let event: Value = serde_json::from_str(&line).ok()?;
        (event.get("event")? == "broker.listening").then_some(event)
    });
    (process, listening.expect(&seen), log)
}

/// A process and the lines of its log.
pub(crate) fn logged(mut command: Command) -> (Child, Receiver<String>) {
    let mut process = command.stderr(Stdio::piped()).spawn().expect("runs");
    let log = BufReader::new(process.stderr.take().expect("piped")).lines();
    // The lines must not fill the pipe, whether or not they are read.
    let (lines, logged) = channel();
    std::thread::spawn(move || log.map_while(Result::ok).for_each(|line| drop(lines.send(line))));
    (process, logged)
}
