use super::*;

const SAMPLE: &str = include_str!("../../../config/broker.toml");

fn parse(text: &str) -> Result<BrokerConfig, ConfigError> {
    BrokerConfig::parse(Path::new("/etc/vouchsafe/broker.toml"), text)
}

#[test]
fn the_sample_is_read_and_its_commented_keys_show_the_defaults() {
    let sample = parse(SAMPLE).unwrap();
    // Lines that start with "#= " are settings at their default.
    let spelled_out: String = SAMPLE
        .lines()
        .map(|line| line.strip_prefix("#= ").unwrap_or(line))
        .fold(String::new(), |text, line| text + line + "\n");
    let mut explicit = parse(&spelled_out).unwrap();
    assert_eq!(explicit.keyring(), sample.keyring());
    explicit.keyring = None;
    explicit.limits.verifiers = None;
    assert_eq!(explicit, sample);
    for key in [
        "keyring",
        "extra_trust_anchors",
        "urls",
        "challenge_ttl",
        "stop_timeout",
        "fetch",
        "amd_kds",
        "intel_pcs",
        "intel_root_crl",
        "google_crls",
        "jwks",
        "endorsements",
        "refresh_min",
        "refresh_max",
        "verifiers",
        "queue",
        "releases",
        "releases_per_instance",
        "releases_without_instance",
        "handshake",
        "head",
        "body",
        "idle",
        "connections",
        "remembered_refusals",
        "free_disk",
        "format",
        "level",
    ] {
        assert!(SAMPLE.contains(&format!("#= {key} = ")), "the sample does not show {key}");
    }
}

#[test]
fn paths_are_relative_to_the_file() {
    let config = parse(
        "data = \"data\"\nextra_trust_anchors = [\"a.pem\", \"/b.pem\"]\n\
         [guests]\nlisten = \"127.0.0.1:1\"\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n\
         [operators]\nlisten = \"127.0.0.1:2\"\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n",
    )
    .unwrap();
    assert_eq!(config.database(), Path::new("/etc/vouchsafe/data/keystore.db"));
    assert_eq!(config.keyring(), Path::new("/etc/vouchsafe/data/keyring.json"));
    assert_eq!(config.extra_trust_anchors, [Path::new("/etc/vouchsafe/a.pem"), Path::new("/b.pem")]);
    assert_eq!(config.operators.key, Path::new("/etc/vouchsafe/k.pem"));
}

#[test]
fn t38_unknown_config_keys_are_refused() {
    for addition in [
        "debug = true\n",
        "[limits]\nqueu = 1\n",
        "[log]\nlevels = \"info\"\n",
        "[collateral]\nverify = false\n",
        "[insecure]\nanchors = true\n",
    ] {
        let text = if addition.starts_with('[') {
            format!("{SAMPLE}\n{addition}")
        } else {
            format!("{addition}{SAMPLE}")
        };
        let error = parse(&text).unwrap_err();
        assert!(matches!(error, ConfigError::Parse { .. }), "{addition}: {error}");
        assert!(error.to_string().contains("unknown field"), "{addition}: {error}");
    }
}

#[test]
fn values_that_cannot_be_meant_are_refused() {
    for (key, addition) in [
        ("challenge_ttl", "challenge_ttl = 3600\n".to_owned() + SAMPLE),
        ("urls", "urls = [\"https://broker.example.com/\"]\n".to_owned() + SAMPLE),
        ("urls", "urls = [\"http://broker.example.com\"]\n".to_owned() + SAMPLE),
        ("collateral.amd_kds", SAMPLE.to_owned() + "\n[collateral]\namd_kds = \"kds.example.com\"\n"),
        ("collateral.jwks", SAMPLE.to_owned() + "\n[collateral]\njwks = \"http://example.com/jwks\"\n"),
        ("collateral.refresh_max", SAMPLE.to_owned() + "\n[collateral]\nrefresh_max = 10\n"),
        ("limits.queue", SAMPLE.to_owned() + "\n[limits]\nqueue = 0\n"),
        ("limits.body", SAMPLE.to_owned() + "\n[limits]\nbody = 0\n"),
        ("limits.verifiers", SAMPLE.to_owned() + "\n[limits]\nverifiers = 0\n"),
    ] {
        let error = parse(&addition).unwrap_err();
        assert!(matches!(error, ConfigError::Value { key: found, .. } if found == key), "{key}: {error}");
    }
    let negative = parse(&(SAMPLE.to_owned() + "\n[limits]\nbody = -1\n"));
    assert!(matches!(negative, Err(ConfigError::Parse { .. })));
}
