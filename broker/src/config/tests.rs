use super::reload::Reloaded;
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
        "proxies",
        "challenge_ttl",
        "stop_timeout",
        "fetch",
        "amd_kds",
        "intel_pcs",
        "intel_root_crl",
        "crls",
        "jwks",
        "endorsements",
        "refresh_min",
        "refresh_max",
        "verifiers",
        "queue",
        "releases",
        "releases_per_address",
        "releases_per_instance",
        "releases_without_instance",
        "handshake",
        "head",
        "body",
        "idle",
        "connections",
        "connections_per_address",
        "connections_per_minute",
        "connection",
        "requests",
        "requests_per_minute",
        "bodies",
        "bodies_per_address",
        "probe",
        "remembered_refusals",
        "remembered_memory",
        "free_disk",
        "endpoint",
        "metadata",
        "timeout",
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
    assert_eq!(config.keyring(), KeyringHome::File("/etc/vouchsafe/data/keyring.json".into()));
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
fn the_listeners_share_no_address() {
    for (guests, operators, shared) in [
        ("0.0.0.0:8443", "127.0.0.1:8443", true),
        ("127.0.0.1:8443", "127.0.0.1:8443", true),
        ("127.0.0.1:8443", "[::]:8443", true),
        ("[::1]:8443", "0.0.0.0:8443", false),
        ("127.0.0.1:8443", "127.0.0.2:8443", false),
        ("0.0.0.0:8443", "127.0.0.1:8444", false),
        ("127.0.0.1:0", "127.0.0.1:0", false),
    ] {
        let text = SAMPLE.replace("0.0.0.0:8443", guests).replace("127.0.0.1:8444", operators);
        let key = match parse(&text) {
            Ok(_) => None,
            Err(ConfigError::Value { key, .. }) => Some(key),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(key, shared.then_some("operators.listen"), "{guests} {operators}");
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
        ("kms.endpoint", SAMPLE.to_owned() + "\n[kms]\nendpoint = \"http://kms.example.com\"\n"),
        ("kms.endpoint", SAMPLE.to_owned() + "\n[kms]\nendpoint = \"https://kms.example.com/v1\"\n"),
        ("kms.metadata", SAMPLE.to_owned() + "\n[kms]\nmetadata = \"https://metadata\"\n"),
        ("kms.timeout", SAMPLE.to_owned() + "\n[kms]\ntimeout = 0\n"),
        ("limits.queue", SAMPLE.to_owned() + "\n[limits]\nqueue = 0\n"),
        ("limits.releases_per_address", SAMPLE.to_owned() + "\n[limits]\nreleases_per_address = 0\n"),
        ("limits.remembered_memory", SAMPLE.to_owned() + "\n[limits]\nremembered_memory = 1048577\n"),
        ("limits.body", SAMPLE.to_owned() + "\n[limits]\nbody = 0\n"),
        ("limits.bodies", SAMPLE.to_owned() + "\n[limits]\nbodies = 31\n"),
        ("limits.bodies_per_address", SAMPLE.to_owned() + "\n[limits]\nbodies_per_address = 1\n"),
        ("limits.probe", SAMPLE.to_owned() + "\n[limits]\nprobe = 0\n"),
        ("limits.verifiers", SAMPLE.to_owned() + "\n[limits]\nverifiers = 0\n"),
    ] {
        let error = parse(&addition).unwrap_err();
        assert!(matches!(error, ConfigError::Value { key: found, .. } if found == key), "{key}: {error}");
    }
    for network in ["0.0.0.0/0", "10.0.0.1/8", "balancer"] {
        let text = SAMPLE.replacen("[guests]\n", &format!("[guests]\nproxies = [\"{network}\"]\n"), 1);
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains("expected an IP address, or a network such as"), "{network}: {error}");
    }
    let negative = parse(&(SAMPLE.to_owned() + "\n[limits]\nbody = -1\n"));
    assert!(matches!(negative, Err(ConfigError::Parse { .. })));
}

/// Every key, with another value than the default.
const OTHER: &str = "data = \"/other\"\nkeyring = \"/k\"\nextra_trust_anchors = [\"/a\"]\nurls = [\"https://b\"]\n\
    challenge_ttl = 30\nstop_timeout = 3\n\
    [guests]\nlisten = \"127.0.0.1:1\"\ncertificate = \"/c\"\nkey = \"/d\"\nproxies = [\"10.0.0.1\"]\n\
    [operators]\nlisten = \"127.0.0.1:2\"\ncertificate = \"/e\"\nkey = \"/f\"\nproxies = [\"10.0.0.2\"]\n\
    [limits]\nverifiers = 3\nqueue = 1\nreleases = 2\nreleases_per_address = 9\nreleases_per_instance = 3\nreleases_without_instance = 4\n\
    handshake = 9\nhead = 9\nbody = 9\nidle = 9\nconnections = 9\nconnections_per_address = 9\n\
    connections_per_minute = 9\nconnection = 9\nrequests = 9\nrequests_per_minute = 9\nbodies = 99\nbodies_per_address = 9\nprobe = 9\n\
    remembered_refusals = 9\nremembered_memory = 9\nfree_disk = 9\n[collateral]\nfetch = false\n[kms]\ntimeout = 9\n[log]\nlevel = \"warn\"\n";

#[test]
fn a_reload_applies_some_keys_and_reports_those_that_need_a_restart() {
    let (old, new) = (parse(SAMPLE).unwrap(), parse(OTHER).unwrap());
    let Reloaded { config, mut changed, mut restart } = old.reloaded(new.clone());
    for key in &changed {
        let key = key.rsplit('.').next().unwrap();
        assert!(SAMPLE.contains(&format!("{key} = ")), "{key}");
    }
    changed.sort_unstable();
    restart.sort_unstable();
    assert_eq!(
        restart,
        [
            "collateral",
            "data",
            "extra_trust_anchors",
            "guests.listen",
            "keyring",
            "kms",
            "limits.head",
            "limits.idle",
            "limits.queue",
            "limits.remembered_memory",
            "limits.remembered_refusals",
            "limits.verifiers",
            "log",
            "operators.listen",
            "stop_timeout",
        ]
    );
    assert_eq!(changed.len(), 2 + 6 + 16, "{changed:?}");
    // The changed keys are as in the new file, all others as before.
    let mut expected = new;
    (expected.data, expected.keyring, expected.log) = (old.data.clone(), old.keyring.clone(), old.log);
    (expected.extra_trust_anchors, expected.collateral) =
        (old.extra_trust_anchors.clone(), old.collateral.clone());
    (expected.stop_timeout, expected.kms) = (old.stop_timeout, old.kms.clone());
    (expected.guests.listen, expected.operators.listen) = (old.guests.listen, old.operators.listen);
    let limits = &mut expected.limits;
    (limits.verifiers, limits.queue, limits.head) = (old.limits.verifiers, old.limits.queue, old.limits.head);
    (limits.idle, limits.remembered_refusals) = (old.limits.idle, old.limits.remembered_refusals);
    limits.remembered_memory = old.limits.remembered_memory;
    assert_eq!(config, expected);
    assert_eq!(config.reloaded(config.clone()), Reloaded { config, changed: vec![], restart: vec![] });
}

#[test]
fn the_keyring_is_a_file_or_a_credential() {
    let keyring =
        |home: &str| parse(&format!("keyring = \"{home}\"\n{SAMPLE}")).map(|config| config.keyring());
    assert_eq!(keyring("k.json").unwrap(), KeyringHome::File("/etc/vouchsafe/k.json".into()));
    assert_eq!(keyring("/k.json").unwrap().to_string(), "/k.json");
    let credential = keyring("credential:keyring").unwrap();
    assert!(matches!(credential, KeyringHome::Credential(_)), "{credential}");
    let refused = keyring("credential:../keyring").unwrap_err().to_string();
    assert!(refused.contains("keyring = ") && refused.contains("does not start with a dot"), "{refused}");
}

#[test]
fn the_sample_shows_where_traces_go() {
    let (_, section) = SAMPLE.split_once("\n# [traces]\n").expect("the section");
    let keys = section.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| line.contains(" = "));
    let section = keys.fold("[traces]\n".to_owned(), |section, key| section + key + "\n");
    let traces = parse(&format!("{SAMPLE}\n{section}")).unwrap().traces.expect("a section");
    assert_eq!(traces.one_in, 100);
    assert!(traces.endpoint.ends_with("/v1/traces") && traces.ca.is_some(), "{traces:?}");
    assert_eq!(parse(SAMPLE).unwrap().traces, None);
}
