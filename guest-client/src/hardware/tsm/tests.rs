use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fake::{FakeTsm, Faults};
use super::*;
use crate::hardware::{CertificateTableError, Guid, SNP_REPORT_LENGTH};

const ROOT: &str = "/config/tsm/report";
const DATA: [u8; 64] = [0x5a; 64];

fn report(data: &[u8; 64], privilege: u8) -> Vec<u8> {
    let mut report = vec![0xee; SNP_REPORT_LENGTH];
    report[0x30] = privilege;
    report[0x50..0x90].copy_from_slice(data);
    report
}

fn table() -> Vec<u8> {
    let place = [48_u32.to_le_bytes(), 4_u32.to_le_bytes()].concat();
    [Guid::VCEK.0.to_vec(), place, vec![0; 24], b"vcek".to_vec()].concat()
}

fn kernel_with(provider: Option<&'static str>, faults: Faults) -> FakeTsm {
    let respond = |data: &[u8; 64], privilege| Ok((report(data, privilege), table()));
    FakeTsm::new(PathBuf::from(ROOT), provider, Box::new(respond), faults)
}

fn kernel(faults: Faults) -> FakeTsm {
    kernel_with(Some("sev_guest"), faults)
}

fn tsm(kernel: &FakeTsm) -> Tsm<FakeTsm> {
    Tsm::with_fs(PathBuf::from(ROOT), kernel.clone(), |_| {})
}

/// Collects, checks that no directory is left, and returns the report.
fn collect(kernel: &FakeTsm) -> Result<TsmReport, TsmError> {
    let outcome = tsm(kernel).collect("sev_guest", &DATA);
    assert_eq!(kernel.directories().0, 0, "a directory was left behind");
    outcome
}

fn snp(kernel: &FakeTsm) -> Result<SnpReport, HardwareError> {
    match TsmSnp::new(tsm(kernel)).report(&DATA)? {
        HardwareReport::SevSnp(report) => Ok(report),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_report_comes_through_short_reads() {
    let kernel = kernel(Faults::default());
    let expected = TsmReport { out: report(&DATA, 0), aux: table() };
    assert_eq!(collect(&kernel).unwrap(), expected);
    assert_eq!(kernel.directories(), (0, 1));
}

#[test]
fn padding_is_cut_and_certificates_are_parsed() {
    let kernel = kernel(Faults { padding: 4000, ..Faults::default() });
    let got = snp(&kernel).unwrap();
    assert_eq!(got.report, report(&DATA, 0));
    assert_eq!(got.certificates.get(Guid::VCEK), Some(b"vcek".as_slice()));
}

#[test]
fn a_missing_or_empty_certificate_table_is_no_error() {
    let absent = kernel(Faults { no_auxblob: true, ..Faults::default() });
    let empty = kernel(Faults { replace: Some(("auxblob", vec![])), ..Faults::default() });
    for kernel in [absent, empty] {
        let got = snp(&kernel).unwrap();
        assert_eq!(got.certificates, CertificateTable::default());
    }
}

#[test]
fn a_malformed_certificate_table_is_refused() {
    let kernel = kernel(Faults { replace: Some(("auxblob", vec![1; 30])), ..Faults::default() });
    let error = snp(&kernel).unwrap_err();
    assert!(matches!(error, HardwareError::Certificates(CertificateTableError::Unterminated)), "{error}");
}

#[test]
fn the_privilege_level_is_written_as_text_and_counted() {
    let kernel = kernel(Faults::default());
    let got = tsm(&kernel).at_privilege(2).collect("sev_guest", &DATA).unwrap();
    assert_eq!(got.out[0x30], 2);
}

#[test]
fn a_privilege_level_below_the_floor_is_refused() {
    let kernel = kernel(Faults { floor: 2, ..Faults::default() });
    let error = tsm(&kernel).at_privilege(1).collect("sev_guest", &DATA).unwrap_err();
    assert!(matches!(error, TsmError::PrivilegeBelowFloor { asked: 1, floor: 2 }));
    assert_eq!(kernel.directories().0, 0);
}

#[test]
fn a_missing_root_is_named() {
    let kernel = kernel(Faults::default());
    let tsm = Tsm::with_fs(PathBuf::from("/elsewhere"), kernel, |_| {});
    let error = tsm.collect("sev_guest", &DATA).unwrap_err();
    assert!(matches!(error, TsmError::NoRoot { root } if root.as_os_str() == "/elsewhere"));
}

#[test]
fn a_missing_driver_is_named() {
    let error = collect(&kernel_with(None, Faults::default())).unwrap_err();
    assert!(matches!(error, TsmError::NoProvider { .. }), "{error}");
    let code = rustix::io::Errno::NOTTY.raw_os_error();
    let error = collect(&kernel(Faults { make_dir: Some(code), ..Faults::default() })).unwrap_err();
    assert!(matches!(error, TsmError::NoProvider { .. }), "{error}");
}

#[test]
fn other_hardware_is_refused() {
    let error = collect(&kernel_with(Some("tdx_guest"), Faults::default())).unwrap_err();
    let TsmError::Provider { expected: "sev_guest", found } = error else { panic!("{error}") };
    assert_eq!(found, "tdx_guest");
}

#[test]
fn a_denied_directory_says_which_user_may_read_it() {
    let code = rustix::io::Errno::ACCESS.raw_os_error();
    let error = collect(&kernel(Faults { make_dir: Some(code), ..Faults::default() })).unwrap_err();
    assert!(matches!(error, TsmError::Io { step: TsmStep::Make, .. }));
    assert!(error.to_string().ends_with("(only root may ask for reports)"), "{error}");
}

#[test]
fn an_intruder_in_the_directory_is_found() {
    let error = collect(&kernel(Faults { intruder: true, ..Faults::default() })).unwrap_err();
    assert!(matches!(error, TsmError::Generation { expected: 1, found: 2 }), "{error}");
}

#[test]
fn an_input_that_got_lost_is_found_before_the_report_is_read() {
    let error = collect(&kernel(Faults { lose_input: true, ..Faults::default() })).unwrap_err();
    assert!(matches!(error, TsmError::Generation { expected: 1, found: 0 }), "{error}");
}

#[test]
fn reading_without_input_is_invalid() {
    let kernel = kernel(Faults { lose_input: true, ..Faults::default() });
    let directory = PathBuf::from(ROOT).join("d");
    kernel.make_dir(&directory).unwrap();
    let error = kernel.open(&directory.join("outblob")).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_short_write_is_refused() {
    let error = collect(&kernel(Faults { short_write: 1, ..Faults::default() })).unwrap_err();
    assert!(matches!(error, TsmError::ShortWrite { written: 63, length: 64, .. }), "{error}");
}

#[test]
fn a_busy_device_is_asked_three_times_two_seconds_apart() {
    static PAUSES: AtomicUsize = AtomicUsize::new(0);
    let pause = |length: Duration| {
        assert_eq!(length, Duration::from_secs(2));
        PAUSES.fetch_add(1, Ordering::Relaxed);
    };
    let twice = kernel(Faults { busy: 2, ..Faults::default() });
    let tsm = Tsm::with_fs(PathBuf::from(ROOT), twice.clone(), pause);
    assert!(tsm.collect("sev_guest", &DATA).is_ok());
    assert_eq!((PAUSES.load(Ordering::Relaxed), twice.directories()), (2, (0, 3)));

    let always = kernel(Faults { busy: 9, ..Faults::default() });
    let error = collect(&always).unwrap_err();
    assert!(matches!(error, TsmError::Io { step: TsmStep::Read, .. }), "{error}");
    assert_eq!(always.directories(), (0, 3));
}

#[test]
fn a_second_report_waits() {
    static PAUSES: AtomicUsize = AtomicUsize::new(0);
    let kernel = kernel(Faults::default());
    let pause = |_| {
        PAUSES.fetch_add(1, Ordering::Relaxed);
    };
    let mut snp = TsmSnp::new(Tsm::with_fs(PathBuf::from(ROOT), kernel, pause));
    snp.report(&DATA).unwrap();
    assert_eq!(PAUSES.load(Ordering::Relaxed), 0);
    snp.report(&DATA).unwrap();
    assert_eq!(PAUSES.load(Ordering::Relaxed), 1);
}

#[test]
fn blobs_and_numbers_are_bounded() {
    let faults = Faults { replace: Some(("outblob", vec![0; MAX_OUT + 1])), ..Faults::default() };
    let error = collect(&kernel(faults)).unwrap_err();
    assert!(matches!(error, TsmError::TooLong { limit: MAX_OUT, .. }), "{error}");
    for text in ["", "one", "-1", "99999999999999999999"] {
        let faults = Faults { replace: Some(("generation", text.into())), ..Faults::default() };
        let error = collect(&kernel(faults)).unwrap_err();
        assert!(matches!(error, TsmError::Malformed { .. }), "{error}");
    }
}

#[test]
fn the_provider_is_checked_before_any_request() {
    let open = |provider| {
        let kernel = kernel_with(provider, Faults::default());
        let opened = TsmSnp::open(tsm(&kernel));
        assert_eq!(kernel.directories().0, 0, "a directory was left behind");
        opened.map(drop)
    };
    assert!(open(Some("sev_guest")).is_ok());
    let error = open(Some("tdx_guest")).unwrap_err();
    assert!(matches!(error, TsmError::Provider { expected: "sev_guest", found } if found == "tdx_guest"));
    assert!(matches!(open(None), Err(TsmError::NoProvider { .. })));
}
