//! `verify google-token` and `verify endorsement`.

use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::google_token::TokenKind;
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_attestation::test_util::google_token::FakeAttestationService;
use vouchsafe_attestation::test_util::launch::{EndorsementSpec, FakeTcbSigner};
use vouchsafe_attestation::test_util::snp::FakeAmd;
use vouchsafe_attestation::test_util::tdx::{CollateralSpec, FakeIntel};
use vouchsafe_attestation::test_util::vm::{SimulatedTd, SimulatedVm};
use vouchsafe_protocol::{Digest48, UnixTime};

use super::*;

const NOW: UnixTime = UnixTime(1_771_500_000);
const AT: &str = "1771500000";

/// Writes a file and returns its path.
fn file(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("written");
    text(&path).to_owned()
}

#[test]
fn a_captured_token_gives_its_verdicts() {
    let Some(evidence) = evidence() else { return };
    let token = evidence.join("gce/gca-tokens/pki-tdx-prod-2025-09-05.jwt");
    let given = |at, audience| ["google-token", "--token", text(&token), "--at", at, "--audience", audience];
    let audience = "z08381475938604996746";
    let nonce = "75a91c8dbe289f190d5e70ab1cb70c93cc14d7243f0ef3ff5326a622ead220a6";
    let claims = accepted(&[&given("1757060250", audience)[..], &["--nonce", nonce]].concat());
    assert_eq!(claims["google_token"]["root"], "google");
    assert_eq!(claims["google_token"]["kind"], "pki");
    assert_eq!(claims["technology"], "tdx");
    assert_eq!(claims["google_token"]["instance"]["instance_id"], "3087957179640521392");
    accepted(&[&given("1757063849", audience)[..], &["--inspect"]].concat());
    let refused = |at, audience, binding: &[&str]| refused(&[&given(at, audience)[..], binding].concat());
    assert_eq!(refused("1757060250", audience, &["--nonce", "other-nonce"]), "google-token-nonce-mismatch");
    assert_eq!(refused("1757060250", "other", &["--inspect"]), "google-token-audience-mismatch");
    assert_eq!(refused("1757063855", audience, &["--inspect"]), "google-token-expired");
    assert_eq!(refused("1757060244", audience, &["--inspect"]), "google-token-not-valid-yet");
    let now = refused("1795000000", audience, &["--inspect"]);
    assert_eq!(now, "google-token-chain-expired", "the leaf lived for two months");
}

#[test]
fn tokens_of_both_kinds_are_verified_under_given_keys_and_anchors() {
    let service = FakeAttestationService::shared();
    let folder = tempfile::tempdir().expect("a folder");
    let root = file(folder.path(), "root.der", service.root_der());
    let jwks = file(folder.path(), "jwks.json", &service.jwks());
    let token = |kind, end: &str| {
        let token = service.token(kind, "https://broker", "a-nonce-of-ours", NOW) + end;
        file(folder.path(), "token.jwt", token.as_bytes())
    };
    let given =
        |token| ["google-token", "--token", token, "--audience", "https://broker", "--at", AT, "--inspect"];
    let pki = token(TokenKind::Pki, "\n");
    let claims = accepted(&[&given(&pki)[..], &["--anchor", &root]].concat());
    assert_eq!(claims["google_token"]["root"], "extra");
    assert_eq!(refused(&given(&pki)), "google-token-unknown-root");
    let two = token(TokenKind::Pki, "\n\n");
    assert_eq!(refused(&[&given(&two)[..], &["--anchor", &root]].concat()), "google-token-encoding");
    let oidc = token(TokenKind::Oidc, "");
    let claims = accepted(&[&given(&oidc)[..], &["--jwks", &jwks]].concat());
    assert_eq!(claims["google_token"]["root"], "extra", "nothing from a file gives google");
    assert_eq!(claims["google_token"]["revocation"], "fresh");
    assert_eq!(refused(&given(&oidc)), "google-token-unknown-key");
    let noise = file(folder.path(), "noise", &[0xff; 16]);
    assert_eq!(refused(&given(&noise)), "google-token-part-count");
}

#[test]
fn endorsements_are_verified_under_a_given_anchor() {
    let signer = FakeTcbSigner::shared();
    let folder = tempfile::tempdir().expect("a folder");
    let root = file(folder.path(), "root.der", signer.root_der());
    let endorsement = file(folder.path(), "endorsement", &EndorsementSpec::default().sign(signer));
    let given = ["endorsement", "--endorsement", &endorsement, "--at", AT];
    let snp = ["--measurement", &"54".repeat(48)];
    let claims = accepted(&[&given[..], &snp, &["--anchor", &root]].concat());
    assert_eq!((&claims["root"], &claims["svn"], &claims["vcpus"]), (&"extra".into(), &7.into(), &4.into()));
    let claims = accepted(&[&given[..], &["--mrtd", &"78".repeat(48), "--anchor", &root]].concat());
    assert_eq!((&claims["svn"], &claims["ram_gib"]), (&3.into(), &88.into()));
    assert_eq!(refused(&[&given[..], &snp].concat()), "launch-signer-chain-unknown-issuer");
    let other = ["--measurement", &"99".repeat(48), "--anchor", &root];
    assert_eq!(refused(&[&given[..], &other].concat()), "launch-not-endorsed");
    assert_eq!(
        refused(&["endorsement", "--endorsement", &root, snp[0], snp[1], "--at", AT]),
        "launch-malformed"
    );
}

#[test]
fn an_endorsement_stands_in_for_the_brokers_store() {
    let (signer, intel, amd) =
        (FakeTcbSigner::shared(), FakeIntel::shared(), FakeAmd::shared(Product::Genoa));
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| file(folder.path(), name, bytes);
    let td = SimulatedTd::booted(&EventLogBuilder::ccel_ubuntu());
    let tdx = td.evidence(&[7; 64]);
    let collateral = intel.collateral(&CollateralSpec::current(UnixTime(NOW.0 - 100), NOW.plus(100)));
    let snp = SimulatedVm::new().snp_with(&[7; 64]);
    let files = [
        file("intel.der", intel.root_der()),
        file("amd.der", amd.ark_der()),
        file("tcb.der", signer.root_der()),
        file("quote", &tdx.quote),
        file("ccel", &td.event_log),
        file("collateral.json", &serde_json::to_vec(&collateral).expect("JSON")),
        file("report", &snp.report),
        file("vek.der", snp.vek_certificate.as_ref().expect("a certificate")),
        file("ask.der", amd.ask_der()),
        file("tdx.endorsement", &signer.endorse_tdx(&Digest48(td.quote.mr_td))),
        file("snp.endorsement", &signer.endorse_snp(&Digest48(SimulatedVm::new().report.measurement))),
    ];
    let [intel, amd, tcb, quote, ccel, collateral, report, vek, ask, for_tdx, for_snp] =
        files.each_ref().map(String::as_str);
    let tdx = ["tdx", "--quote", quote, "--collateral", collateral, "--ccel", ccel, "--anchor", intel];
    let snp = ["sev-snp", "--report", report, "--vek", vek, "--collateral", ask, "--anchor", amd];
    let end = ["--at", AT, "--inspect"];
    // The hidden name of the option, which scripts may use.
    let hidden = snp.map(|argument| if argument == "--collateral" { "--cert" } else { argument });
    assert_eq!(accepted(&[&hidden[..], &end].concat()), accepted(&[&snp[..], &end].concat()));
    for (technology, given) in [("tdx", &tdx), ("sev_snp", &snp)] {
        let given = [&given[..], &end, &["--anchor", tcb]].concat();
        let found = |more: &[&str]| {
            let claims = accepted(&[&given[..], more].concat());
            claims[technology]["endorsement"]["root"].as_str().map(str::to_owned)
        };
        let both = ["--endorsement", for_tdx, "--endorsement", for_snp];
        assert_eq!(found(&both).as_deref(), Some("extra"), "{technology}");
        assert_eq!(found(&[]), None, "{technology}");
        unusable(&[&given[..], &["--endorsement", tcb]].concat());
        unusable(&[&given[..], &["--endorsement", "/nowhere"]].concat());
    }
}

#[test]
fn usage_and_unreadable_files_are_exit_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = &file(folder.path(), "file", b"{}");
    unusable(&["google-token", "--token", path, "--audience", "a"]);
    unusable(&["google-token", "--token", path, "--inspect"]);
    unusable(&["google-token", "--token", path, "--audience", "a", "--inspect", "--nonce", "n"]);
    unusable(&["google-token", "--token", "/nowhere", "--audience", "a", "--inspect"]);
    unusable(&["google-token", "--token", path, "--audience", "a", "--inspect", "--jwks", path]);
    unusable(&["google-token", "--token", path, "--audience", "a", "--inspect", "--jwks", "/nowhere"]);
    unusable(&["endorsement", "--endorsement", path]);
    unusable(&["endorsement", "--endorsement", path, "--measurement", "00"]);
    let hex = "00".repeat(48);
    unusable(&["endorsement", "--endorsement", path, "--measurement", &hex, "--mrtd", &hex]);
    unusable(&["endorsement", "--endorsement", "/nowhere", "--mrtd", &hex]);
}
