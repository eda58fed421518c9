//! A broker whose collateral folder has a damaged file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::test_util::ca::CrlSpec;
use vouchsafe_attestation::test_util::snp::FakeAmd;
use vouchsafe_protocol::{Digest32, UnixTime};

use crate::process::{free_port, made, text, vouchsafe};
use crate::support::{logged, serve};

/// A broker that has stopped, with one certificate and one CRL.
struct Stopped {
    folder: TempDir,
    certificate: PathBuf,
    crl: PathBuf,
}

fn stop(mut process: Child) {
    process.kill().expect("it runs");
    process.wait().expect("ended");
}

impl Stopped {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let operators = format!("127.0.0.1:{}", free_port("127.0.0.1"));
        made(folder.path(), &["--guests", "127.0.0.1:0", "--operators", &operators]);
        let amd = FakeAmd::shared(Product::Genoa);
        let spec = CrlSpec::current(UnixTime(1_800_000_000), UnixTime(4_000_000_000));
        let (certificate, crl) = (amd.ask_der().to_vec(), amd.crl(&spec));
        let stored = |item: &[u8]| folder.path().join(format!("data/collateral/{}.der", Digest32::of(item)));
        let (certificate_file, crl_file) = (stored(&certificate), stored(&crl));
        let (process, ..) = serve(&folder.path().join("data"));
        for item in [certificate, crl] {
            let file = folder.path().join("item.der");
            fs::write(&file, item).expect("written");
            let mut command = vouchsafe();
            command.args(["collateral", "import"]).arg(file).arg("--operator");
            let output = command.arg(folder.path().join("data/operator.toml")).output().expect("runs");
            assert!(output.status.success(), "{}", text(&output.stderr));
        }
        stop(process);
        Self { folder, certificate: certificate_file, crl: crl_file }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("data/broker.toml")
    }
}

/// Cuts the last byte off.
fn truncate(file: &Path) {
    let content = fs::read(file).expect("stored");
    fs::write(file, &content[..content.len() - 1]).expect("written");
}

/// The first event of this name in the log.
fn event(log: &Receiver<String>, name: &str) -> Value {
    loop {
        let line = log.recv_timeout(Duration::from_secs(30)).expect("the event");
        let event: Value = serde_json::from_str(&line).expect("JSON");
        if event["event"] == name {
            return event;
        }
    }
}

#[test]
fn a_broker_starts_without_a_damaged_certificate_and_says_so() {
    let broker = Stopped::new();
    truncate(&broker.certificate);
    let mut command = vouchsafe();
    command.arg("serve").arg("--config").arg(broker.config());
    let (process, log) = logged(command);
    let warning = event(&log, "collateral.damaged");
    event(&log, "broker.listening");
    stop(process);
    assert_eq!(warning["level"], "WARN", "{warning}");
    assert_eq!(warning["file"], broker.certificate.display().to_string(), "{warning}");
    let kept = PathBuf::from(format!("{}.damaged", broker.certificate.display()));
    assert_eq!(warning["kept_as"], kept.display().to_string(), "{warning}");
    assert_eq!(warning["error"], "the SHA-256 of its content is not the one in its name", "{warning}");
    assert_eq!(
        warning["message"], "the item is not used: import it again with `vouchsafe collateral import`",
        "{warning}"
    );
    assert!(kept.exists() && !broker.certificate.exists() && broker.crl.exists());
}

#[test]
fn t17_a_broker_does_not_start_without_a_damaged_crl() {
    let broker = Stopped::new();
    truncate(&broker.crl);
    let output = vouchsafe().arg("serve").arg("--config").arg(broker.config()).output().expect("runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("{}: the SHA-256", broker.crl.display())), "{said}");
    assert!(said.contains("Restore the file from a backup; or move it away"), "{said}");
    assert!(broker.crl.exists() && broker.certificate.exists());
}
