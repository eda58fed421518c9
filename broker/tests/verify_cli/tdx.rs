//! `verify tdx` over captured quotes.

use super::*;

#[test]
fn captured_quotes_give_their_verdicts() {
    let Some(evidence) = evidence() else { return };
    let tdx = evidence.join("tdx");
    let verify = |quote: &str, collateral: &str, at: &str| {
        let (quote, collateral) = (tdx.join(quote), tdx.join(collateral));
        let given =
            ["tdx", "--quote", text(&quote), "--collateral", text(&collateral), "--at", at, "--inspect"];
        given.map(str::to_owned)
    };
    let phala = "dcap-qvl/tdx_quote_collateral.json";
    let march = "assembled/fmspc-90c06f000000-2026-03.json";
    let outdated = "dcap-qvl/tdx_quote_outdated_collateral.json";
    for (quote, collateral, at) in [
        ("dcap-qvl/tdx_quote", phala, "1751328000"),
        ("go-tdx-guest/quote_v5_sample.dat", march, "1774915200"),
        ("go-tdx-guest/quote_v5_sample.dat", outdated, "1772323200"),
    ] {
        let given = verify(quote, collateral, at);
        let claims = accepted(&given.each_ref().map(String::as_str));
        assert_eq!(claims["technology"], "tdx", "{quote}");
        assert_eq!(claims["tdx"]["root"], "intel", "{quote}");
        assert_eq!(claims["tdx"]["revocation"], "fresh", "{quote}");
        assert_eq!(claims["tdx"]["tcb"]["status"], "up-to-date", "{quote}");
    }
    for (quote, collateral, at, code) in [
        ("dcap-qvl/tdx_quote_outdated", outdated, "1772323200", "tdx-tcb-level-unknown"),
        ("trustee/tdx_quote_5.dat", march, "1774915200", "tdx-service-td"),
        ("dstack/tdx_quote", phala, "1751328000", "tdx-tcb-level-unknown"),
        ("trustee/az-td-quote.bin", phala, "1751328000", "tdx-sept-ve-not-disabled"),
        ("attestation-rs/tdx_quote_live.dat", phala, "1751328000", "pck-chain-not-valid-yet"),
        ("trustee/tdx_quote_6.dat", march, "1774915200", "tdx-fmspc-mismatch"),
        ("go-tdx-guest/tdx_prod_quote_SPR_E4.dat", march, "1774915200", "tdx-quote-trailing-bytes"),
        ("dcap-qvl/tdx_quote", phala, "1754006400", "tdx-collateral-expired"),
        ("dcap-qvl/tdx_quote", phala, "1740000000", "tdx-collateral-not-yet-valid"),
    ] {
        let given = verify(quote, collateral, at);
        assert_eq!(refused(&given.each_ref().map(String::as_str)), code, "{quote}");
    }
}

#[test]
fn a_quote_counts_for_its_report_data() {
    let Some(evidence) = evidence() else { return };
    let quote = evidence.join("tdx/dcap-qvl/tdx_quote");
    let collateral = evidence.join("tdx/dcap-qvl/tdx_quote_collateral.json");
    let given = [
        "tdx",
        "--quote",
        text(&quote),
        "--collateral",
        text(&collateral),
        "--at",
        "1751328000",
        "--report-data",
    ];
    let data = hex::encode(&fs::read(&quote).expect("read")[48 + 520..][..64]);
    accepted(&[&given[..], &[&data]].concat());
    assert_eq!(refused(&[&given[..], &[&"ff".repeat(64)]].concat()), "tdx-report-data-mismatch");
}

#[test]
fn without_collateral_a_quote_can_only_be_looked_at() {
    let Some(evidence) = evidence() else { return };
    let quote = evidence.join("gce/tdx/quotes/gce-cos113-tdx-quote-v4.dat");
    let given = ["tdx", "--quote", text(&quote), "--at", "1769509141"];
    let claims = accepted(&[&given[..], &["--inspect"]].concat());
    assert_eq!(claims["tdx"]["revocation"], "absent");
    assert!(claims["tdx"].get("tcb").is_none());
    unusable(&[&given[..], &["--report-data", &"00".repeat(64)]].concat());
    let report = evidence.join("gce/tdx/quotes/tdreport-1024.dat");
    assert_eq!(refused(&["tdx", "--quote", text(&report), "--inspect"]), "tdx-quote-td-report");
}

#[test]
fn usage_and_unreadable_files_are_exit_2() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = text(file.path());
    unusable(&["tdx", "--quote", path]);
    unusable(&["tdx", "--quote", "/nowhere", "--inspect"]);
    unusable(&["tdx", "--quote", path, "--inspect", "--collateral", "/nowhere"]);
    unusable(&["tdx", "--quote", path, "--inspect", "--collateral", path]);
    unusable(&["tdx", "--quote", path, "--inspect", "--report-data", &"00".repeat(64)]);
    assert_eq!(refused(&["tdx", "--quote", path, "--inspect"]), "tdx-quote-truncated");
}
