//! What `vouchsafe serve` reports before it fetches or writes anything.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

use crate::process::{made, text, vouchsafe};

/// A broker that has not started yet, and fetches all collateral from one vendor that never answers.
struct Stopped {
    folder: TempDir,
    vendor: TcpListener,
    /// The guests' port, taken by this test.
    taken: Option<TcpListener>,
}

impl Stopped {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let guests = taken.local_addr().expect("an address").to_string();
        made(folder.path(), &["--guests", &guests, "--operators", "127.0.0.1:0"]);
        let vendor = TcpListener::bind("127.0.0.1:0").expect("a port");
        vendor.set_nonblocking(true).expect("set");
        let url = format!("http://{}", vendor.local_addr().expect("an address"));
        let stopped = Self { folder, vendor, taken: Some(taken) };
        let mut config = fs::read_to_string(stopped.config()).expect("read");
        config.push_str("\n[collateral]\n");
        for key in ["amd_kds", "intel_pcs", "intel_root_crl", "mirror", "jwks", "endorsements"] {
            config.push_str(&format!("{key} = \"{url}\"\n"));
        }
        fs::write(stopped.config(), config).expect("written");
        stopped
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn config(&self) -> PathBuf {
        self.data().join("broker.toml")
    }

    fn guests(&self) -> SocketAddr {
        self.taken.as_ref().expect("taken").local_addr().expect("an address")
    }

    /// The error with which it does not start. Nothing was fetched, and the data directory is as it was.
    fn refused(&self) -> String {
        let before = files(&self.data());
        let output = vouchsafe().arg("serve").arg("--config").arg(self.config()).output().expect("runs");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(!self.is_asked(), "{said}");
        assert!(files(&self.data()) == before, "{said}");
        said
    }

    /// Whether a request has reached the vendor.
    fn is_asked(&self) -> bool {
        match self.vendor.accept() {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Starts it, and waits until it fetches.
    fn fetches(&self) {
        let mut command = vouchsafe();
        command.arg("serve").arg("--config").arg(self.config()).stderr(Stdio::null());
        let mut process = command.spawn().expect("runs");
        let started = Instant::now();
        let mut asked = self.is_asked();
        while !asked && started.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(20));
            asked = self.is_asked();
        }
        process.kill().expect("it runs");
        process.wait().expect("ended");
        assert!(asked, "nothing was fetched");
    }
}

/// Every file below a folder, with its time of modification and its content.
fn files(folder: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        }
        let modified = fs::metadata(&path).expect("there").modified().expect("a time");
        let content = if path.is_dir() { Vec::new() } else { fs::read(&path).expect("read") };
        found.insert(path, (modified, content));
    }
    found
}

#[test]
fn a_taken_port_is_reported_before_anything_is_fetched_or_written() {
    let mut broker = Stopped::new();
    let (said, address) = (broker.refused(), broker.guests());
    let advice = "stop the process that uses it, or change `listen` in [guests] of the configuration";
    assert!(said.contains(&format!("cannot listen on {address}: ")) && said.contains(advice), "{said}");
    // With the port, the same broker fetches: so the test above would have seen it.
    let before = files(&broker.data());
    broker.taken = None;
    broker.fetches();
    assert!(files(&broker.data()) != before);
}

#[test]
fn an_unreadable_certificate_is_reported_before_anything_is_fetched_or_written() {
    let broker = Stopped::new();
    let certificate = broker.data().join("tls/certificate.pem");
    fs::remove_file(&certificate).expect("removed");
    let said = broker.refused();
    assert!(said.contains(certificate.to_str().expect("UTF-8")), "{said}");
    assert!(!said.contains("cannot listen"), "{said}");
}
