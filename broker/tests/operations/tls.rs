//! The end of the broker's certificate.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use vouchsafe_attestation::x509::Certificate;
use vouchsafe_broker::clock;
use vouchsafe_broker::tls::{SelfSigned, certificates};
use vouchsafe_protocol::UnixTime;

use crate::process::{free_port, made, text, vouchsafe};
use crate::support::logged;

fn ends_at(certificate: &Path) -> UnixTime {
    let chain = certificates(certificate).expect("a certificate");
    Certificate::parse(&chain[0]).expect("a certificate").not_after()
}

#[test]
fn an_old_certificate_is_renewed_and_the_ca_that_everyone_has_stays() {
    let folder = TempDir::new().expect("a folder");
    let operators = format!("127.0.0.1:{}", free_port("127.0.0.1"));
    made(folder.path(), &["--guests", "127.0.0.1:0", "--operators", &operators]);
    let data = folder.path().join("data");
    let tls = data.join("tls");
    // As if `init` had run a year ago: the certificate has ended.
    let issued = UnixTime(clock::now().0 - 370 * 86_400);
    let old = SelfSigned::generate(&["127.0.0.1".to_owned()], issued).expect("a certificate");
    for (name, text) in
        [("ca", &old.ca), ("ca-key", &*old.ca_key), ("certificate", &old.certificate), ("key", &*old.key)]
    {
        // The mode stays.
        fs::write(tls.join(format!("{name}.pem")), text).expect("written");
    }
    let config = data.join("broker.toml");
    let written = fs::read_to_string(&config).expect("read");
    fs::write(&config, written + "\n[collateral]\nfetch = false\n").expect("written");
    let mut command = vouchsafe();
    command.args(["serve", "--config"]).arg(&config);
    let (mut process, log) = logged(command);
    assert!(log.iter().any(|line| line.contains("tls.renewed")));
    assert!(ends_at(&tls.join("certificate.pem")).since(clock::now()) > 360 * 86_400);
    // It is in use, and the operators' tool has the first CA: an operator file has the certificate itself, or its file's name.
    let file = data.join("operator.toml");
    let mut operator: toml::Table = fs::read_to_string(&file).expect("read").parse().expect("TOML");
    assert!(
        operator["ca"].as_str().is_some_and(|ca| ca.contains("BEGIN CERTIFICATE")),
        "{:?}",
        operator["ca"]
    );
    operator.insert("ca".to_owned(), "tls/ca.pem".into());
    fs::write(&file, operator.to_string()).expect("written");
    let mut list = vouchsafe();
    list.args(["secret", "list", "--operator"]).arg(file);
    let output = list.output().expect("runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(tls.join("ca.pem")).expect("read"), old.ca);
    process.kill().expect("it runs");
    process.wait().expect("ended");
}
