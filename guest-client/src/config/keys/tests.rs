use super::*;
use crate::config::GuestConfig;

const SAMPLE: &str = include_str!("../../../guest.sample.toml");

fn parse(tables: &str) -> Result<KeysConfig, ConfigError> {
    GuestConfig::parse(&format!("{SAMPLE}\n{tables}\n")).map(|config| config.keys)
}

/// The error's text, which begins with a place for faults of the syntax.
fn fault(tables: &str) -> String {
    parse(tables).unwrap_err().to_string()
}

fn path(text: &str) -> SecretPath {
    SecretPath::parse(text).unwrap()
}

const TABLES: &str = r#"
[volumes.root]
secret = "prod/db-01/root"
[volumes.var]
secret = "prod/db-01/var"
stage = "initrd"
[volumes.data]
secret = "prod/db-01/data"
stage = "system"
[services."app.service"]
"db-password" = "prod/app/db-password"
tls = "prod/app/tls"
"#;

#[test]
fn the_sample_shows_volumes_and_services() {
    let (_, shown) = SAMPLE.split_once("# [volumes.root]").unwrap();
    // Comments within are sentences; what they are about begins with a key or a table.
    let is_setting = |line: &&str| line.contains(" = ") || line.starts_with('[');
    let settings = shown.lines().filter_map(|line| line.strip_prefix("# ")).filter(is_setting);
    let keys = parse(&settings.fold("[volumes.root]".to_owned(), |text, line| text + "\n" + line)).unwrap();
    assert_eq!(keys.volume("root", Stage::Initrd), Ok(&path("prod/db-01/root")));
    assert_eq!(keys.credential("app.service", "db-password"), Ok(&path("prod/app/db-password")));
    let (_, root) = keys.of_stage(Stage::Initrd).next().unwrap();
    assert!(root.device.as_ref().unwrap().starts_with("/dev/disk/by-uuid"));
}

#[test]
fn volumes_are_of_one_stage_and_initrd_is_the_default() {
    let keys = parse(TABLES).unwrap();
    assert_eq!(keys.volume("root", Stage::Initrd), Ok(&path("prod/db-01/root")));
    assert_eq!(keys.volume("data", Stage::System), Ok(&path("prod/db-01/data")));
    let error = keys.volume("root", Stage::System).unwrap_err();
    assert_eq!(error, KeyError::OtherStage { configured: Stage::Initrd, running: Stage::System });
    assert_eq!(
        error.to_string(),
        "this volume is configured for the stage `initrd`, and this is the stage `system`"
    );
    assert_eq!(keys.volume("swap", Stage::Initrd), Err(KeyError::UnknownVolume));
    let paths = keys.volumes_of(Stage::Initrd).unwrap();
    assert_eq!(paths.as_slice(), [path("prod/db-01/root"), path("prod/db-01/var")]);
    assert_eq!(keys.volumes_of(Stage::System).unwrap().as_slice(), [path("prod/db-01/data")]);
    assert_eq!(KeysConfig::default().volumes_of(Stage::Initrd), Err(KeyError::UnknownVolume));
}

#[test]
fn a_credential_is_a_units_own() {
    let keys = parse(TABLES).unwrap();
    assert_eq!(keys.credential("app.service", "db-password"), Ok(&path("prod/app/db-password")));
    for (unit, name) in [("app.service", "other"), ("other.service", "tls"), ("app", "tls")] {
        assert_eq!(keys.credential(unit, name), Err(KeyError::UnknownCredential));
    }
}

#[test]
fn t38_unknown_keys_and_stages_of_volumes_are_refused() {
    let error = fault("[volumes.root]\nsecret = \"n/a\"\nkeyfile = \"x\"");
    assert!(error.contains("`volumes.root.keyfile`: unknown field `keyfile`"), "{error}");
    let error = fault("[volumes.root]\nsecret = \"n/a\"\nstage = \"boot\"");
    assert!(error.contains("unknown variant `boot`, expected `initrd` or `system`"), "{error}");
    let error = fault("[volumes.root]\nsecret = \"../key\"");
    assert!(error.contains("`volumes.root.secret`"), "{error}");
    let error = fault("[volumes.root]\nsecret = \"n/a\"\n[services.\"app.service\"]\ntls = \"NO\"");
    assert!(error.contains("`services.\"app.service\".tls`"), "{error}");
    let error = fault("[volumes.root]\nstage = \"initrd\"");
    assert!(error.contains("missing field `secret`"), "{error}");
}

#[test]
fn names_that_cannot_be_asked_for_are_refused() {
    let error = fault("[volumes.\"a/b\"]\nsecret = \"n/a\"");
    assert_eq!(error, "`volumes` has the name \"a/b\": character '/' is not allowed");
    let error = fault("[volumes.\"\"]\nsecret = \"n/a\"");
    assert_eq!(error, "`volumes` has the name \"\": it is empty");
    let error = fault("[services.app]\ntls = \"n/a\"");
    assert_eq!(error, "`services` has the unit \"app\": its suffix is missing, as in app.service");
    let error = fault("[services.\"app.service\"]\n\"a b\" = \"n/a\"");
    assert_eq!(error, "`services.\"app.service\"` has the credential \"a b\": character ' ' is not allowed");
}

#[test]
fn names_fit_into_the_address_of_a_socket() {
    let volume = |length: usize| parse(&format!("[volumes.{}]\nsecret = \"n/a\"", "v".repeat(length)));
    volume(78).unwrap();
    assert!(matches!(
        volume(79).unwrap_err(),
        ConfigError::VolumeName { fault: NameFault::TooLong { length: 79, limit: 78 }, .. }
    ));
    let credential = |length: usize| {
        parse(&format!("[services.\"app.service\"]\n{} = \"n/a\"", "c".repeat(length - "app.service".len())))
    };
    credential(83).unwrap();
    let error = credential(84).unwrap_err().to_string();
    assert!(error.ends_with(": it is too long: systemd has room for 83 bytes here, not 84"), "{error}");
}

#[test]
fn the_volumes_of_a_stage_fit_into_one_request() {
    let many = |count: usize| {
        let table = |number| format!("[volumes.v{number}]\nsecret = \"n/v{number}\"\n");
        parse(&(0..count).map(table).collect::<String>())
    };
    many(MAX_PATHS).unwrap();
    let error = many(MAX_PATHS + 1).unwrap_err();
    assert_eq!(error.to_string(), "17 volumes are of the stage `initrd`: one request is for at most 16");
}
