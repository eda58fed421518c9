//! A broker in a folder created by `vouchsafe init`.

use std::net::{IpAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Output};

pub(crate) use crate::support::{text, vouchsafe};

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

/// A port of this address without a listener.
pub(crate) fn free_port(address: &str) -> u16 {
    let address: IpAddr = address.parse().expect("an address");
    TcpListener::bind((address, 0)).expect("a socket").local_addr().expect("an address").port()
}

pub(crate) struct Served(Child);

impl Served {
    pub(crate) fn start(data: &Path) -> Self {
        let (process, ..) = crate::support::serve(data);
        Self(process)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _waited = self.0.wait();
    }
}
