//! Complete configuration files.

use vouchsafe_protocol::{BrokerIdentity, Suite};

use super::*;
use crate::hardware::{Ccel, HardwareKind};
use crate::vtpm::{AkChoice, TpmAddress};

const SAMPLE: &str = include_str!("../../guest.sample.toml");
/// A placeholder that is not a valid key.
const PLACEHOLDER: &str = "ed25519:PUT-HERE-THE-IDENTITY-THAT-vouchsafe-PRINTc";

fn with(change: impl Fn(&str) -> String) -> Result<GuestConfig, ConfigError> {
    GuestConfig::parse(&change(SAMPLE))
}

#[test]
fn the_sample_shows_the_defaults() {
    let GuestConfig { client, collect, .. } = GuestConfig::parse(SAMPLE).unwrap();
    assert_eq!(client.brokers[0].route("/v1/release"), "https://vouchsafe.example.com:8443/v1/release");
    assert_eq!((client.suite, collect.evidence), (Suite::XWing, EvidenceChoice::Auto));
    assert_eq!(client.limits, Limits::default());
    assert_eq!(collect.vtpm.key, AkChoice::Auto);
}

#[test]
fn the_commented_lines_of_the_sample_are_the_defaults() {
    let GuestConfig { client, https, collect, .. } = GuestConfig::parse(&SAMPLE.replace("#= ", "")).unwrap();
    assert_eq!(client.limits, Limits::default());
    assert_eq!(https.connect, GuestConfig::parse(SAMPLE).unwrap().https.connect);
    let (vtpm, default) = (&collect.vtpm, VtpmConfig::default());
    assert_eq!(vtpm.event_log, default.event_log);
    assert_eq!(vtpm.device, Some(TpmAddress::Device("/dev/tpmrm0".into())));
    let log = format!("#= userspace_log = {:?}", default.userspace_log);
    assert!(SAMPLE.contains(&log), "{log}");
    assert_eq!(collect.sev_snp.tsm, SevSnpConfig::default().tsm);
    assert_eq!((collect.tdx.tsm.clone(), collect.tdx.ccel()), (TdxConfig::default().tsm, Ccel::default()));
    let (google, default) = (&collect.google_token, GoogleTokenConfig::default());
    assert_eq!(
        (google.r#type, google.show, google.service_account, google.timeout),
        (default.r#type, default.show, default.service_account, default.timeout)
    );
    assert_eq!((&google.endpoint, &google.metadata), (&default.endpoint, &default.metadata));
    assert_eq!((&google.project, &google.location), (&None, &None));
}

#[test]
fn t38_unknown_keys_are_refused_everywhere() {
    for line in [
        "insecure = true",
        "[vtpm]\npcrs = []",
        "[sev_snp]\nhelper = \"x\"",
        "[tdx]\npccs = \"x\"",
        "[google_token]\naudience = \"x\"",
        "[limits]\nretry = 1",
        "[updates]\nbaseline = \"prod/a\"\nauto = true",
    ] {
        let error = with(|text| format!("{text}\n{line}\n")).unwrap_err();
        assert!(
            matches!(&error, ConfigError::Parse { message, .. } if message.contains("unknown field")),
            "{error}"
        );
    }
}

#[test]
fn errors_name_the_line_and_the_key() {
    let place = |line: &str| {
        let error = with(|text| format!("{text}\n{line}\n")).unwrap_err();
        let lines = SAMPLE.lines().count() + 1;
        match error {
            ConfigError::Parse { place, message } => {
                (place.line.map(|line| line - lines), place.key, message)
            }
            other => panic!("{other}"),
        }
    };
    let (line, key, message) = place("insecure = true");
    assert_eq!((line, key.as_deref()), (Some(1), Some("insecure")));
    assert!(message.contains("unknown field `insecure`, expected one of `brokers`"), "{message}");
    let (line, key, message) = place("[limits]\nattempts = 3\ndeadline = \"120 s\"");
    assert_eq!((line, key.as_deref()), (Some(3), Some("limits.deadline")));
    assert!(message.contains("invalid type: string \"120 s\", expected u32"), "{message}");
    let (line, key, _) = place("[vtpm]\nissuers = [\n  \"a = b\",\n  7,\n]");
    assert_eq!((line, key.as_deref()), (Some(4), Some("vtpm.issuers")));
    let (line, key, _) = place("[nonsense]\na = 1");
    assert_eq!((line, key.as_deref()), (Some(1), Some("nonsense")));
    let (line, _, _) = place("[limits");
    assert_eq!(line, Some(1));
    let error = GuestConfig::parse("ca = \"/x\"\nidentities = []\n").unwrap_err();
    assert_eq!(error.to_string(), "the file: missing field `brokers`");
}

#[test]
fn errors_name_the_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let error = GuestConfig::read(file.path()).unwrap_err().to_string();
        error.strip_prefix(&format!("{}, ", file.path().display())).expect("the file's name").to_owned()
    };
    assert!(
        error(&format!("{SAMPLE}\n[limits]\nretry = 1\n")).contains("`limits.retry`: unknown field `retry`")
    );
    assert_eq!(error(&SAMPLE.replacen("brokers = [", "brokers = [] #", 1)), "`brokers` names none");
}

#[test]
fn t06_a_configuration_without_identity_or_broker_is_refused() {
    let without = |key: &'static str| {
        move |text: &str| {
            let lines = text
                .lines()
                .map(|line| if line.starts_with(key) { format!("{key} = []") } else { line.to_owned() });
            lines.collect::<Vec<_>>().join("\n")
        }
    };
    assert!(matches!(with(without("identities")), Err(ConfigError::NoIdentity)));
    assert!(matches!(with(without("brokers")), Err(ConfigError::NoBroker)));
}

#[test]
fn t06_a_weak_identity_is_refused() {
    let identity = BrokerIdentity([0; 32]);
    let error = with(|text| text.replace(PLACEHOLDER, &identity.to_string())).unwrap_err();
    assert!(matches!(error, ConfigError::WeakIdentity { identity: found } if found == identity));
}

#[test]
fn limits_of_zero_are_refused() {
    for name in ["attempts", "deadline", "connect", "request"] {
        let error = with(|text| format!("{text}\n[limits]\n{name} = 0\n")).unwrap_err();
        let expected = format!("limits.{name}");
        assert!(matches!(error, ConfigError::ZeroLimit { name: found } if found == expected), "{error}");
    }
    let error = with(|text| format!("{text}\n[google_token]\ntimeout = 0\n")).unwrap_err();
    assert!(matches!(error, ConfigError::ZeroLimit { name: "google_token.timeout" }), "{error}");
}

#[test]
fn evidence_is_auto_or_a_list_of_known_kinds() {
    let choice = |value: &str| {
        with(|text| format!("evidence = {value}\n{text}")).map(|config| config.collect.evidence)
    };
    let listed = |vtpm, hardware, google_token| EvidenceChoice::Listed { vtpm, hardware, google_token };
    assert_eq!(choice("\"auto\"").unwrap(), EvidenceChoice::Auto);
    let both = choice("[\"sev-snp\", \"vtpm\"]").unwrap();
    assert_eq!(both, listed(true, Some(HardwareKind::SevSnp), false));
    let both = choice("[\"google-token\", \"tdx\"]").unwrap();
    assert_eq!(both, listed(false, Some(HardwareKind::Tdx), true));
    let two = choice("[\"tdx\", \"sev-snp\"]").unwrap_err();
    assert!(matches!(two, ConfigError::TwoProcessors), "{two}");
    for value in ["[]", "\"vtpm\"", "[\"vtpm\", \"vtpm\"]", "[\"none\"]", "true"] {
        assert!(matches!(choice(value), Err(ConfigError::Parse { .. })), "{value}");
    }
}
