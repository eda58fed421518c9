use std::path::PathBuf;

use super::super::tsm::fake::{FakeTsm, Faults};
use super::quote::{HEADER, TD_1_0, TD_1_5};
use super::*;

const ROOT: &str = "/config/tsm/report";
const DATA: [u8; 64] = [0x5a; 64];

/// A quote with this data: version 4, or 5 with a body of TD 1.0 or 1.5.
fn quote(version: u16, body: usize, data: &[u8; 64]) -> Vec<u8> {
    let mut quote = [version.to_le_bytes(), [2, 0], [0x81, 0], [0, 0]].concat();
    quote.resize(HEADER, 7);
    if version == 5 {
        let body_type: u16 = if body == TD_1_0 { 2 } else { 3 };
        quote.extend(body_type.to_le_bytes());
        quote.extend(u32::try_from(body).unwrap().to_le_bytes());
    }
    let start = quote.len();
    quote.resize(start + body, 9);
    quote[start + 520..start + 584].copy_from_slice(data);
    quote.extend(300_u32.to_le_bytes());
    quote.extend([0xab; 300]);
    quote
}

fn kernel(provider: &'static str, faults: Faults, change: fn(&mut Vec<u8>)) -> FakeTsm {
    let respond = move |data: &[u8; 64], _| {
        let mut quote = quote(4, TD_1_0, data);
        change(&mut quote);
        Ok((quote, vec![]))
    };
    FakeTsm::new(PathBuf::from(ROOT), Some(provider), Box::new(respond), faults)
}

fn open(kernel: &FakeTsm) -> Result<TsmTdx<FakeTsm>, TsmError> {
    let ccel = Ccel { log: "/nowhere/CCEL".into(), table: "/nowhere/table".into() };
    let opened = TsmTdx::open(Tsm::with_fs(PathBuf::from(ROOT), kernel.clone(), |_| {}), ccel);
    assert_eq!(kernel.directories().0, 0, "a directory was left behind");
    opened
}

fn report(kernel: &FakeTsm) -> Result<HardwareReport, HardwareError> {
    let outcome = open(kernel).unwrap().report(&DATA);
    assert_eq!(kernel.directories().0, 0, "a directory was left behind");
    outcome
}

#[test]
fn a_quote_comes_through_configfs_cut_to_its_length() {
    // As on Compute Engine: a buffer of 8000 bytes, no certificate table.
    let faults = Faults { padding: 8000 - 936, no_auxblob: true, ..Faults::default() };
    let kernel = kernel("tdx_guest", faults, |_| ());
    let expected = HardwareReport::Tdx(TdxQuote { quote: quote(4, TD_1_0, &DATA), event_log: None });
    let report = report(&kernel).unwrap();
    assert_eq!(report.as_bytes().len(), 936);
    assert_eq!(report, expected);
}

#[test]
fn each_quote_comes_with_the_log_of_its_time() {
    let folder = tempfile::TempDir::new().unwrap();
    let ccel = Ccel { log: folder.path().join("CCEL"), ..Ccel::default() };
    std::fs::write(&ccel.log, b"a log").unwrap();
    let kernel = kernel("tdx_guest", Faults::default(), |_| ());
    let tsm = Tsm::with_fs(PathBuf::from(ROOT), kernel, |_| {});
    let HardwareReport::Tdx(report) = TsmTdx::open(tsm, ccel).unwrap().report(&DATA).unwrap() else {
        panic!("not a quote");
    };
    assert_eq!(report.event_log.as_deref(), Some(b"a log".as_slice()));
}

#[test]
fn the_provider_is_checked_before_any_request() {
    assert!(open(&kernel("tdx_guest", Faults::default(), |_| ())).is_ok());
    let error = open(&kernel("sev_guest", Faults::default(), |_| ())).err().unwrap();
    assert!(matches!(error, TsmError::Provider { expected: "tdx_guest", found } if found == "sev_guest"));
    let none =
        FakeTsm::new(PathBuf::from(ROOT), None, Box::new(|_, _| Ok((vec![], vec![]))), Faults::default());
    assert!(matches!(open(&none).err(), Some(TsmError::NoProvider { .. })));
}

#[test]
fn a_quote_with_other_data_is_refused() {
    let other = |quote: &mut Vec<u8>| quote[HEADER + 583] ^= 1;
    let error = report(&kernel("tdx_guest", Faults::default(), other)).unwrap_err();
    assert!(matches!(error, HardwareError::ReportData), "{error}");
}

#[test]
fn an_intruder_in_the_directory_is_found() {
    let faults = Faults { intruder: true, ..Faults::default() };
    let error = report(&kernel("tdx_guest", faults, |_| ())).unwrap_err();
    assert!(matches!(error, HardwareError::Tsm(TsmError::Generation { expected: 1, found: 2 })), "{error}");
}

#[test]
fn both_versions_and_bodies_are_cut() {
    for (version, body) in [(4, TD_1_0), (5, TD_1_0), (5, TD_1_5)] {
        let whole = quote(version, body, &DATA);
        let padded = [whole.clone(), vec![0; 3000]].concat();
        assert_eq!(cut(padded).unwrap(), whole);
        assert_eq!(quoted_data(&whole), Some(DATA.as_slice()));
    }
}

#[test]
fn a_malformed_quote_is_named() {
    let whole = quote(5, TD_1_5, &DATA);
    let with = |change: fn(&mut Vec<u8>)| {
        let mut quote = whole.clone();
        change(&mut quote);
        cut(quote).unwrap_err()
    };
    let length = whole.len();
    assert_eq!(with(|quote| quote[0] = 3), QuoteError::Version { version: 3 });
    assert_eq!(with(|quote| quote[4] = 0), QuoteError::TeeType { tee_type: 0 });
    assert_eq!(with(|quote| quote[48] = 4), QuoteError::Body { body_type: 4, size: 648 });
    assert_eq!(with(|quote| quote[50] = 1), QuoteError::Body { body_type: 3, size: 513 });
    assert_eq!(with(|quote| quote.truncate(quote.len() - 1)), QuoteError::Truncated { length: length - 1 });
    assert_eq!(with(|quote| quote.truncate(700)), QuoteError::Truncated { length: 700 });
    assert_eq!(with(Vec::clear), QuoteError::Truncated { length: 0 });
    assert_eq!(with(|quote| quote.extend([0, 1])), QuoteError::Trailing { length });
    assert_eq!(with(|quote| quote[702..706].fill(0xff)), QuoteError::Truncated { length });
}

/// Quotes of real trust domains on Compute Engine: 8000 bytes, of which the first 4935 are the quote.
#[test]
fn real_quotes_are_cut_to_what_counts() {
    let Some(folder) = vouchsafe_captured::folder() else { return };
    let folder = folder.join("gce/tdx/quotes");
    let files = std::fs::read_dir(&folder).unwrap();
    let mut seen = 0;
    for path in files.map(|file| file.unwrap().path()) {
        let bytes = std::fs::read(&path).unwrap();
        if bytes.len() == 8000 {
            assert_eq!(attributes(&bytes), Some(0x1000_0000), "{}", path.display());
            assert_eq!(cut(bytes).unwrap().len(), 4935, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 0, "no quote in {}", folder.display());
}
