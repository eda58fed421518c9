//! `vouchsafe policy test` through the binary, over TDX quotes and tokens of simulated services: no broker is
//! needed.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::google_token::TokenKind;
use vouchsafe_attestation::test_util::ca::CrlSpec;
use vouchsafe_attestation::test_util::google_token::FakeAttestationService;
use vouchsafe_attestation::test_util::launch::FakeTcbSigner;
use vouchsafe_attestation::test_util::snp::FakeAmd;
use vouchsafe_attestation::test_util::tdx::{CollateralSpec, FakeIntel, TdxQuoteBuilder};
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
use vouchsafe_protocol::{
    BoundRequest, BrokerIdentity, Digest48, Evidence, GoogleTokenEvidence, GuestKey, Nonce, ReleasePaths,
    Suite, TdxEvidence, UnixTime,
};

struct Folder(TempDir);

impl Folder {
    /// With policy, evidence, roots, Intel's collateral and the key set of tokens.
    fn new(conditions: &str, evidence: &Evidence) -> Self {
        let folder = Self(TempDir::new().expect("a folder"));
        let head =
            "@id(\"one\") @for(\"app\") permit (principal is Vm, action == Action::\"release\", resource)";
        folder.file("policy.cedar", format!("{head} when {{ {conditions} }};").as_bytes());
        folder.file("evidence.json", &serde_json::to_vec(evidence).expect("JSON"));
        let (intel, service) = (FakeIntel::shared(), FakeAttestationService::shared());
        folder.file("intel.der", intel.root_der());
        folder.file("service.der", service.root_der());
        folder.file("jwks.json", &service.jwks());
        let current = CollateralSpec::current(UnixTime(NOW.0 - 100), NOW.plus(100));
        let collateral = serde_json::to_vec(&intel.collateral(&current)).expect("JSON");
        folder.file("collateral.json", &collateral);
        folder
            .file("service.crl", &service.root_crl(&CrlSpec::current(UnixTime(NOW.0 - 100), NOW.plus(100))));
        folder
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("written");
        path
    }

    /// `vouchsafe policy test` in the folder.
    fn run(&self, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vouchsafe"));
        command.args(["--json", "policy", "test", "policy.cedar", "--evidence", "evidence.json", "--at", AT]);
        command.args(more).current_dir(self.0.path()).output().expect("runs")
    }

    /// Whether the secret would be released, and the whole output.
    fn tried(&self, more: &[&str]) -> (bool, String) {
        let output = self.run(more);
        let text = String::from_utf8([output.stdout.clone(), output.stderr].concat()).expect("text");
        let said: Value = serde_json::from_slice(&output.stdout).expect(&text);
        let released = said.pointer("/vms/0/release").and_then(Value::as_bool).expect(&text);
        assert_eq!(output.status.code(), Some(i32::from(!released)), "{text}");
        (released, text)
    }

    /// Why the evidence does not verify.
    fn unusable(&self, more: &[&str]) -> String {
        let output = self.run(more);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).expect("text")
    }
}

fn quote(builder: &TdxQuoteBuilder) -> Evidence {
    let quote = builder.sign(FakeIntel::shared()).into();
    Evidence { tdx: Some(TdxEvidence { quote, event_log: None }), ..Evidence::default() }
}

fn token(kind: TokenKind) -> Evidence {
    let token = FakeAttestationService::shared().token(kind, AUDIENCE, "a-nonce-of-ours", NOW);
    Evidence { google_token: Some(GoogleTokenEvidence { token }), ..Evidence::default() }
}

#[test]
fn a_policy_is_tried_on_a_tdx_quote() {
    let folder = Folder::new(&tdx_policy("3d"), &quote(&TdxQuoteBuilder::new()));
    let (released, text) = folder.tried(&TDX);
    assert!(released, "{text}");
    // Other firmware than the policy's.
    let other = quote(&TdxQuoteBuilder { mr_td: [0x4e; 48], ..TdxQuoteBuilder::new() });
    let (released, text) = Folder::new(&tdx_policy("3d"), &other).tried(&TDX);
    assert!(!released && text.contains(&"4e".repeat(48)), "{text}");
    // Without collateral the TCB is unknown.
    let (released, text) = folder.tried(&TDX[..2]);
    assert!(!released, "{text}");
}

#[test]
fn an_endorsement_counts_for_the_mrtd_and_the_measurement_that_it_names() {
    let signer = FakeTcbSigner::shared();
    let key = GuestKey::generate(Suite::XWing);
    let paths = ReleasePaths::sort(vec!["prod/a/x".parse().expect("a path")]).expect("paths");
    let bound = BoundRequest::release(&BrokerIdentity([1; 32]), Nonce([2; 32]), key.public().clone(), &paths);
    let snp = SimulatedVm::new();
    let endorsed = |kind: &str| {
        format!(
            "principal has {kind} && principal.{kind} has endorsement && principal.{kind}.endorsement.root == Root::\"extra\""
        )
    };
    for (kind, evidence, endorsement) in [
        ("tdx", quote(&TdxQuoteBuilder::new()), signer.endorse_tdx(&Digest48(TdxQuoteBuilder::new().mr_td))),
        ("snp", snp.evidence(Kinds::REPORT, &bound), signer.endorse_snp(&Digest48(snp.report.measurement))),
    ] {
        let folder = Folder::new(&endorsed(kind), &evidence);
        folder.file("tcb.der", signer.root_der());
        folder.file("amd.der", FakeAmd::shared(Product::Genoa).ark_der());
        let crl = CrlSpec::current(UnixTime(NOW.0 - 100), NOW.plus(100));
        folder.file("amd.crl", &FakeAmd::shared(Product::Genoa).crl(&crl));
        folder.file("tcb.crl", &signer.root_crl(&crl));
        folder.file("endorsement", &endorsement);
        folder.file("other", &signer.endorse_tdx(&Digest48([9; 48])));
        let given = [&TDX[..], &VENDORS, &["--endorsement", "other", "--endorsement"]].concat();
        let (released, text) = folder.tried(&[&given[..], &["endorsement"]].concat());
        assert!(released, "{kind}: {text}");
        // One for another measurement, and one by an untrusted signer.
        let (released, text) = folder.tried(&given[..given.len() - 1]);
        assert!(!released, "{kind}: {text}");
        let untrusted = [&given[..TDX.len() + 6], &["--endorsement", "endorsement"]].concat();
        assert!(!untrusted.contains(&"tcb.der"));
        let (released, text) = folder.tried(&untrusted);
        assert!(!released, "{kind}: {text}");
        let refused = folder.unusable(&[&given[..], &["amd.der"]].concat());
        assert!(refused.contains("amd.der") && refused.contains("not a launch endorsement"), "{refused}");
    }
}

/// Hosts with an older kernel hand out no certificate with a report.
#[test]
fn a_report_without_its_certificate_is_tried_with_collateral() {
    let key = GuestKey::generate(Suite::XWing);
    let paths = ReleasePaths::sort(vec!["prod/a/x".parse().expect("a path")]).expect("paths");
    let bound = BoundRequest::release(&BrokerIdentity([1; 32]), Nonce([2; 32]), key.public().clone(), &paths);
    let mut vm = SimulatedVm::new();
    let vcek = vm.vek_certificate.take().expect("a certificate");
    let issuers = std::mem::take(&mut vm.vek_issuers);
    let condition = "principal has snp.root && principal.snp.root == Root::\"extra\"";
    let folder = Folder::new(condition, &vm.evidence(Kinds::REPORT, &bound));
    let amd = FakeAmd::shared(Product::Genoa);
    folder.file("amd.der", amd.ark_der());
    folder.file("amd.crl", &amd.crl(&CrlSpec::current(UnixTime(NOW.0 - 100), NOW.plus(100))));
    folder.file("vcek.der", &vcek);
    folder.file("ask.der", &issuers[0]);
    let given = [
        "--anchor",
        "amd.der",
        "--collateral",
        "amd.crl",
        "--collateral",
        "ask.der",
        "--collateral",
        "vcek.der",
    ];
    let (released, text) = folder.tried(&given);
    assert!(released, "{text}");
    let refused = folder.unusable(&given[..6]);
    assert!(refused.contains("no endorsement certificate for chip"), "{refused}");
    assert!(
        refused.contains("vouchsafe collateral export") && refused.contains("--collateral FILE"),
        "{refused}"
    );
}

#[test]
fn times_are_given_as_people_write_them() {
    let folder = Folder::new(&tdx_policy("3d"), &quote(&TdxQuoteBuilder::new()));
    let run = |at: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vouchsafe"));
        command.args(["policy", "test", "policy.cedar", "--evidence", "evidence.json", "--at", at]);
        command.args(TDX).current_dir(folder.0.path()).output().expect("runs").status.code()
    };
    // The same moment.
    assert_eq!([run(AT), run("2026-02-19T11:20Z"), run("2026-02-19T12:20:00+01:00")], [Some(0); 3]);
    // Long before its collateral, and no time at all.
    assert_ne!(run("2020-01-01"), Some(0));
    assert_eq!(run("yesterday"), Some(2));
}

#[test]
fn t10_a_quote_that_does_not_verify_is_no_evidence() {
    let genuine = quote(&TdxQuoteBuilder::new());
    let folder = Folder::new(&tdx_policy("3d"), &genuine);
    let refused = folder.unusable(&TDX[2..]);
    assert!(refused.contains("evidence.json: refused: "), "{refused}");
    let mut changed = genuine.clone();
    let byte = changed.tdx.as_mut().and_then(|tdx| tdx.quote.0.get_mut(48 + 520)).expect("report data");
    *byte ^= 1;
    let refused = Folder::new(&tdx_policy("3d"), &changed).unusable(&TDX);
    assert!(refused.contains("evidence.json: refused: "), "{refused}");
    // Two vendors' reports are of two VMs.
    let key = GuestKey::generate(Suite::XWing);
    let paths = ReleasePaths::sort(vec!["prod/a/x".parse().expect("a path")]).expect("paths");
    let bound = BoundRequest::release(&BrokerIdentity([1; 32]), Nonce([2; 32]), key.public().clone(), &paths);
    let sev_snp = SimulatedVm::new().evidence(Kinds::REPORT, &bound).sev_snp;
    let refused = Folder::new(&tdx_policy("3d"), &Evidence { sev_snp, ..genuine }).unusable(&TDX);
    assert!(refused.contains("evidence.json: refused: "), "{refused}");
}

#[test]
fn a_policy_is_tried_on_a_token() {
    let given = [&TRUST[..], &FOR_US].concat();
    for kind in [TokenKind::Pki, TokenKind::Oidc] {
        let folder = Folder::new(&token_policy("620438545889"), &token(kind));
        let (released, text) = folder.tried(&given);
        assert!(released, "{kind:?}: {text}");
        let (released, text) = Folder::new(&token_policy("1"), &token(kind)).tried(&given);
        assert!(!released && text.contains("620438545889"), "{kind:?}: {text}");
    }
    // Guardrails apply: without a CRL it is unknown whether the chain is revoked.
    let folder = Folder::new(&token_policy("620438545889"), &token(TokenKind::Pki));
    let (released, text) = folder.tried(&[&TRUST[..2], &FOR_US].concat());
    assert!(!released && text.contains("token-revocation-fresh"), "{text}");
}

#[test]
fn t07_a_token_for_another_audience_or_under_unknown_keys_is_refused() {
    for kind in [TokenKind::Pki, TokenKind::Oidc] {
        let folder = Folder::new(&token_policy("620438545889"), &token(kind));
        let other = [&TRUST[..], &["--audience", "https://other"]].concat();
        for more in [&FOR_US[..], &TRUST, &other] {
            let refused = folder.unusable(more);
            assert!(refused.contains("evidence.json: refused: "), "{kind:?} {more:?}: {refused}");
        }
    }
}

#[test]
fn collateral_that_is_no_collateral_is_named() {
    let folder = Folder::new(&tdx_policy("3d"), &quote(&TdxQuoteBuilder::new()));
    folder.file("collateral.json", b"{\"keys\": 1}");
    assert!(folder.unusable(&TDX).contains("collateral.json"));
}

fn tdx_policy(mr_td: &str) -> String {
    format!(
        "principal has tdx && principal.tdx.root == Root::\"extra\" && principal.tdx has tcb \
         && principal.tdx.tcb.status == TcbStatus::\"up-to-date\" && principal.tdx.tcb.evaluation_data_number >= 17 \
         && principal.tdx.mr_td == \"{}\"",
        mr_td.repeat(48)
    )
}

fn token_policy(project: &str) -> String {
    format!(
        "principal has google_token && principal.google_token.root == Root::\"extra\" \
         && principal.google_token has instance \
         && principal.google_token.instance.project_number == \"{project}\""
    )
}

const NOW: UnixTime = UnixTime(1_771_500_000);
const AT: &str = "1771500000";
const AUDIENCE: &str = "https://broker.example:8443";
const VENDORS: [&str; 8] =
    ["--anchor", "amd.der", "--collateral", "amd.crl", "--collateral", "tcb.crl", "--anchor", "tcb.der"];
const TDX: [&str; 4] = ["--anchor", "intel.der", "--collateral", "collateral.json"];
const TRUST: [&str; 6] =
    ["--anchor", "service.der", "--collateral", "jwks.json", "--collateral", "service.crl"];
const FOR_US: [&str; 2] = ["--audience", AUDIENCE];
