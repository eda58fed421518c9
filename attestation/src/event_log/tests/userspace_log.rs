//! The form of systemd's measurement log.

use vouchsafe_protocol::limits::MAX_USERSPACE_LOG;

use crate::event_log::MAX_USERSPACE_ENTRIES;
use crate::event_log::UserspaceLog;
use crate::event_log::UserspaceLogError;
use crate::event_log::testing::evidence;
use crate::event_log::testing::read;
use crate::test_util::event_log::userspace::UserspaceBuilder;

fn parse(text: &str) -> Result<UserspaceLog, UserspaceLogError> {
    UserspaceLog::parse(text.as_bytes())
}

#[test]
fn logs_of_systemd_are_read() {
    assert_eq!(parse("").map(|log| log.of(11).count()), Ok(0));
    let log =
        UserspaceBuilder::initrd_262().then(UserspaceBuilder::after_switch_root()).secret(15, "a", b"b");
    let log = UserspaceLog::parse(&log.nv_index("product-id:missing").log()).expect("well-formed");
    let texts = |pcr| log.of(pcr).map(|record| record.text().map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(texts(9), [Some("os-separator".to_owned()), Some("nvpcr-separator".to_owned())]);
    assert_eq!(texts(15).len(), 2);
    assert_eq!(texts(15)[1], None, "the digest is not that of the content");
    let Some(folder) = evidence() else { return };
    for name in ["sid262-uki", "sid262-uki-secboot-capable", "sid262-uki-signed-pcrs-nvpcr", "trixie257-uki"]
    {
        let log = UserspaceLog::parse(&read(&folder, &format!("lab/{name}/tpm2-measure.log"))).expect(name);
        assert!((0..16).flat_map(|pcr| log.of(pcr)).all(|record| record.text().is_some()), "{name}");
    }
}

#[test]
fn unread_members_do_not_matter() {
    let entry = "\u{1e}{\"pcr\":11,\"digests\":[],\"later\":[{}],\"content\":{\"string\":1}}\n";
    assert_eq!(parse(entry).map(|log| log.of(11).count()), Ok(0), "no bank of SHA-256");
}

#[test]
fn t30_malformed_measurement_logs_are_refused() {
    let digest = format!("{{\"hashAlg\":\"sha256\",\"digest\":\"{}\"}}", "0".repeat(64));
    let entry = |pcr: &str, digests: &str| format!("\u{1e}{{\"pcr\":{pcr},\"digests\":[{digests}]}}\n");
    let good = entry("9", &digest);
    assert!(parse(&good).is_ok());
    let sequence = |entry| UserspaceLogError::NotASequence { entry };
    let malformed = |entry| UserspaceLogError::Malformed { entry };
    for (text, refused) in [
        ("x".to_owned(), sequence(1)),
        (format!("x{good}"), sequence(1)),
        (good.trim_end().to_owned(), sequence(1)),
        (format!("{good}\u{1e}"), sequence(2)),
        (format!("{good}{}", &good[..20]), sequence(2)),
        ("\u{1e}\n".to_owned(), malformed(1)),
        ("\u{1e}{}\n".to_owned(), malformed(1)),
        ("\u{1e}[]\n".to_owned(), malformed(1)),
        (format!("{good}\u{1e}{{}} {{}}\n"), malformed(2)),
        (entry("-1", &digest), malformed(1)),
        (entry("256", &digest), malformed(1)),
        (entry("\"9\"", &digest), malformed(1)),
        (entry("9,\"pcr\":9", &digest), malformed(1)),
        (entry("9", &format!("{digest},{digest}")), malformed(1)),
        (entry("9", &digest.replace("00", "0")), malformed(1)),
        (entry("9", &digest.replace("00", "zz")), malformed(1)),
        (entry("24", &digest), UserspaceLogError::PcrIndex { entry: 1, pcr: 24 }),
    ] {
        assert_eq!(parse(&text), Err(refused), "{text:?}");
    }
}

#[test]
fn t30_sizes_of_a_measurement_log_are_bounded() {
    let size = MAX_USERSPACE_LOG + 1;
    assert_eq!(UserspaceLog::parse(&vec![0; size]), Err(UserspaceLogError::TooLarge { size }));
    let entry = "\u{1e}{\"digests\":[]}\n";
    assert!(parse(&entry.repeat(MAX_USERSPACE_ENTRIES)).is_ok());
    assert_eq!(parse(&entry.repeat(MAX_USERSPACE_ENTRIES + 1)), Err(UserspaceLogError::TooManyEntries));
    let nested = format!("\u{1e}{}\n", "[".repeat(MAX_USERSPACE_LOG - 2));
    assert_eq!(parse(&nested), Err(UserspaceLogError::Malformed { entry: 1 }));
}

#[test]
fn names_of_refusals_are_stable() {
    let names = [
        UserspaceLogError::TooLarge { size: 0 },
        UserspaceLogError::TooManyEntries,
        UserspaceLogError::NotASequence { entry: 1 },
        UserspaceLogError::Malformed { entry: 1 },
        UserspaceLogError::PcrIndex { entry: 1, pcr: 24 },
    ];
    let expected = ["too-large", "too-many-entries", "not-a-sequence", "malformed", "pcr-index"];
    for (error, name) in names.iter().zip(expected) {
        assert_eq!(error.name(), format!("userspace-log-{name}"));
    }
}
