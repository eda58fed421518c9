//! A broker in a folder, started from what `vouchsafe init` made.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

pub(crate) fn vouchsafe() -> Command {
    Command::new(env!("CARGO_BIN_EXE_vouchsafe"))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `vouchsafe init` into `data` of a folder, with its token in `token`.
pub(crate) fn init(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = vouchsafe();
    command.arg("init").arg("--data").arg(folder.join("data"));
    command.arg("--token-file").arg(folder.join("token")).args(arguments).output().expect("runs")
}

pub(crate) fn made(folder: &Path, arguments: &[&str]) -> String {
    let output = init(folder, arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// A port of this address that nobody listens on.
pub(crate) fn free_port(address: &str) -> u16 {
    let address: IpAddr = address.parse().expect("an address");
    TcpListener::bind((address, 0)).expect("a socket").local_addr().expect("an address").port()
}

pub(crate) struct Served(Child);

impl Served {
    pub(crate) fn start(data: &Path) -> Self {
        let config = data.join("broker.toml");
        let written = fs::read_to_string(&config).expect("read");
        // Tests reach nobody.
        fs::write(&config, written + "\n[collateral]\nfetch = false\n").expect("written");
        let mut process = vouchsafe()
            .arg("serve")
            .arg("--config")
            .arg(config)
            .stderr(Stdio::piped())
            .spawn()
            .expect("runs");
        let mut log = BufReader::new(process.stderr.take().expect("piped")).lines();
        let mut seen = String::new();
        let listening = log.by_ref().map_while(Result::ok).any(|line| {
            seen.push_str(&line);
            line.contains("broker.listening")
        });
        assert!(listening, "{seen}");
        // What else is logged must not fill the pipe.
        std::thread::spawn(move || log.for_each(drop));
        Self(process)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _waited = self.0.wait();
    }
}
