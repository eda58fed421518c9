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
    // Of several sets, the one for the quote's platform counts.
    for order in [[march, phala], [phala, march]] {
        let [first, second] = order.map(|file| tdx.join(file));
        let quote = tdx.join("dcap-qvl/tdx_quote");
        let given =
            ["tdx", "--quote", text(&quote), "--collateral", text(&first), "--collateral", text(&second)];
        let claims = accepted(&[&given[..], &["--at", "1751328000", "--inspect"]].concat());
        assert_eq!(claims["tdx"]["tcb"]["status"], "up-to-date", "{order:?}");
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

/// Captured collateral in YAML, a block text for each member, as JSON in a folder.
fn converted(yaml: &Path, folder: &Path) -> PathBuf {
    let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut member = String::new();
    for line in fs::read_to_string(yaml).expect("read").lines() {
        match (line.strip_suffix(": |-"), line.strip_prefix("  ")) {
            (Some(name), _) => name.clone_into(&mut member),
            (None, Some(line)) => members.entry(member.clone()).or_default().push(line.to_owned()),
            (None, None) => assert!(line.is_empty() || line == "---", "another YAML: {line}"),
        }
    }
    let members: BTreeMap<_, _> = members.into_iter().map(|(name, lines)| (name, lines.join("\n"))).collect();
    let path = folder.join("collateral.json");
    fs::write(&path, serde_json::to_vec(&members).expect("JSON")).expect("written");
    path
}

#[test]
fn the_captured_quote_of_cos_113_is_authentic_and_out_of_date() {
    let Some(evidence) = evidence() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let gce = evidence.join("gce/tdx");
    let collateral = converted(&gce.join("collateral/gce-tdx-2025-12-18-collateral.yaml"), folder.path());
    let quote = gce.join("quotes/gce-cos113-tdx-quote-v4.dat");
    let ccel = evidence.join("gce/tdx/ccel/cos-113-intel-tdx.bin");
    let zeros = "00".repeat(64);
    let given = ["tdx", "--quote", text(&quote), "--collateral", text(&collateral), "--ccel", text(&ccel)];
    let given = [&given[..], &["--report-data", &zeros, "--at"]].concat();
    let claims = accepted(&[&given[..], &["1769509141"]].concat());
    assert_eq!((&claims["technology"], &claims["tdx"]["root"]), (&"tdx".into(), &"intel".into()));
    assert_eq!(claims["tdx"]["tcb"]["status"], "out-of-date");
    let advisories = ["01010", "01036", "01076", "01079", "01099", "01103", "01111"];
    let advisories = advisories.map(|number| format!("INTEL-SA-{number}"));
    assert_eq!(claims["tdx"]["tcb"]["advisory_ids"], serde_json::json!(advisories));
    // The collateral is valid for one month.
    assert_eq!(refused(&[&given[..], &["1774915200"]].concat()), "tdx-collateral-expired");
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
    let data = "00".repeat(64);
    let bound = [&given[..], &["--report-data", &data]].concat();
    unusable(&bound);
    let said = String::from_utf8(vouchsafe(&bound).stderr).expect("text");
    assert!(said.contains("give Intel's collateral for the platform with --collateral"), "{said}");
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
