//! Tang, the server that Clevis asks, on this machine's loopback interface.

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::unlock::debian::Debian;

/// A server that ends with this process.
pub(super) struct Tang {
    port: u16,
}

impl Tang {
    /// Makes keys, and serves them: a process of Debian's tang for each connection, as its socket unit does it.
    pub(super) fn start(debian: &Debian) -> anyhow::Result<Self> {
        debian.run([
            "sh",
            "-c",
            "rm -rf /srv/tang && mkdir /srv/tang && /usr/libexec/tangd-keygen /srv/tang",
        ])?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let root = debian.path("");
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let root = root.clone();
                thread::spawn(move || serve(&root, connection.into()));
            }
        });
        Ok(Self { port })
    }

    /// What Clevis keeps in the header: the server's address in the VM, and its keys.
    pub(super) fn configuration(&self, debian: &Debian) -> anyhow::Result<String> {
        let keys = format!("http://127.0.0.1:{}/adv", self.port);
        debian.run(["curl", "-sSf", "-o", "/srv/adv.jws", &keys])?;
        Ok(format!("{{\"url\":\"http://10.0.2.2:{}\",\"adv\":\"/srv/adv.jws\"}}", self.port))
    }
}

fn serve(root: &Path, connection: OwnedFd) -> std::io::Result<()> {
    let answers = connection.try_clone()?;
    let mut command = Command::new("chroot");
    command.arg(root).args(["/usr/libexec/tangd", "/srv/tang"]);
    command.stdin(connection).stdout(answers).stderr(std::process::Stdio::null()).status()?;
    Ok(())
}
