use std::fs;

use super::*;
use crate::clock;
use crate::server::Servers;
use crate::testing::Fixture;
use crate::tls::SelfSigned;

const LISTENERS: &str = "[guests]\nlisten = \"127.0.0.1:0\"\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n\
    [operators]\nlisten = \"127.0.0.1:0\"\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n[collateral]\nfetch = false\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_all_or_nothing() {
    let fixture = Fixture::new().await;
    let file = fixture.folder.path().join("broker.toml");
    let write = |head: &str, limits: &str| {
        let anchors = "extra_trust_anchors = [\"google.der\", \"amd.der\"]";
        fs::write(&file, format!("data = \"data\"\n{anchors}\n{head}\n{LISTENERS}\n[limits]\n{limits}\n"))
            .expect("written");
    };
    let servers = Servers::start(&fixture.broker, fixture.listeners()).expect("listening");
    let (certificates, stop) = (servers.certificates(), servers.stop());
    tokio::spawn(servers.run());
    let take = || take(&file, &fixture.broker, &certificates);
    write("challenge_ttl = 30", "releases = 7\nqueue = 9");
    let (changed, restart) = take().expect("taken");
    assert_eq!((changed, restart), (vec!["challenge_ttl", "limits.releases"], vec!["limits.queue"]));
    let config = fixture.broker.config();
    assert_eq!((config.challenge_ttl.as_secs(), config.limits.releases, config.limits.queue), (30, 7, 1024));
    let challenge = fixture.challenge();
    assert_eq!(challenge.expires_at.0 - challenge.issued_at.0, 30, "in force");
    // A key that does not match its certificate, with a valid configuration.
    let other = SelfSigned::generate(&["localhost".to_owned()], clock::now()).expect("a certificate");
    let key = fs::read(fixture.folder.path().join("key.pem")).expect("read");
    fs::write(fixture.folder.path().join("key.pem"), other.key.as_bytes()).expect("written");
    write("challenge_ttl = 40", "releases = 8");
    assert!(matches!(take(), Err(ReloadError::Tls(TlsError::Pair { .. }))));
    assert_eq!(*fixture.broker.config(), *config, "nothing is half taken");
    // The other way round.
    fs::write(fixture.folder.path().join("key.pem"), key).expect("written");
    write("challenge_ttl = 1", "releases = 8");
    assert!(matches!(take(), Err(ReloadError::Config(ConfigError::Value { key: "challenge_ttl", .. }))));
    write("chalenge_ttl = 40", "releases = 8");
    assert!(matches!(take(), Err(ReloadError::Config(ConfigError::Parse { .. }))));
    fs::remove_file(&file).expect("removed");
    assert!(matches!(take(), Err(ReloadError::Config(ConfigError::Read { .. }))));
    assert_eq!(*fixture.broker.config(), *config);
    stop.stop().await;
}
