//! Tokens of Google Cloud Attestation: what Google receives, and the result of each response.
#![cfg(feature = "google")]

#[path = "support/google.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod google;
#[path = "support/machine.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod machine;
#[path = "google_token/refusals.rs"]
mod refusals;
#[path = "../../tests/src/swtpm.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the end-to-end tests")]
mod swtpm;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use google::{
    ACCESS, ACCESS_TOKEN, Answer, CHALLENGE, CREATE, Google, ID_TOKEN, INSTANCE, NONCE, PROJECT, TOKEN,
    VERIFY, ZONE,
};
use machine::{LOG, Machine};
use serde_json::{Value, json};
use tss_esapi::structures::{Attest, AttestInfo};
use tss_esapi::traits::UnMarshall as _;
use vouchsafe_guest_client::config::{
    CollectConfig, GoogleTokenConfig, Shown, TdxConfig, TokenType, VtpmConfig,
};
use vouchsafe_guest_client::evidence::CollectError;
use vouchsafe_guest_client::google_token::{Call, GoogleAttestation, Statement, TokenError, TokenRequest};
use vouchsafe_guest_client::hardware::{
    HardwareError, HardwareKind, HardwareReport, HardwareReporter, TdxQuote,
};
use vouchsafe_guest_client::vtpm::AkAlgorithm;
use vouchsafe_guest_client::{CollectRequest, EvidenceSource, LocalEvidence};
use vouchsafe_protocol::{
    BoundRequest, BrokerIdentity, Evidence, GuestKey, Nonce, ReleasePaths, SecretPath, Suite, Transcript,
};

const AUDIENCE: &str = "https://broker.example:8443";

fn transcript() -> Transcript {
    let paths = ReleasePaths::new(vec![SecretPath::parse("n/a").expect("a path")]).expect("paths");
    let key = GuestKey::generate(Suite::X25519);
    BoundRequest::release(&BrokerIdentity([1; 32]), Nonce([2; 32]), key.public().clone(), &paths).transcript()
}

fn collect(source: &mut LocalEvidence, transcript: &Transcript) -> Result<Evidence, CollectError> {
    source.collect(&CollectRequest { transcript, audience: AUDIENCE })
}

/// Presents the TPM of `machine` to Google, whatever processor the test runs on.
fn config(machine: &Machine, google: &Google) -> CollectConfig {
    let google_token = GoogleTokenConfig { show: Shown::Vtpm, ..google.config() };
    CollectConfig { vtpm: machine.config(), google_token, ..CollectConfig::default() }
}

fn token_of(evidence: &Evidence) -> &str {
    &evidence.google_token.as_ref().expect("a token").token
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().expect("base64")).expect("base64")
}

/// ECDSA in the TPM's format, verified without the TPM library.
fn verifies(spki: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let mut rest = signature.strip_prefix(&[0, 0x18, 0, 0x0b]).expect("ECDSA with SHA-256");
    let mut fixed = Vec::new();
    for _ in 0..2 {
        let (length, tail) = rest.split_first_chunk().expect("a length");
        let (number, tail) = tail.split_at(u16::from_be_bytes(*length).into());
        fixed.extend(vec![0; 32 - number.len()]);
        fixed.extend_from_slice(number);
        rest = tail;
    }
    let (_, point) = spki.split_at(26);
    rest.is_empty() && UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &fixed).is_ok()
}

#[test]
fn t07_google_is_sent_quotes_over_its_nonce_and_asked_for_ours() {
    let (machine, spki) = Machine::provisioned(AkAlgorithm::Ecc);
    machine.swtpm.extend(4, &[1; 32]).expect("extends");
    let google = Google::start();
    let transcript = transcript();
    let mut source =
        LocalEvidence::new(Some(machine.config()), None).with_token(&config(&machine, &google)).unwrap();
    let evidence = collect(&mut source, &transcript).unwrap();
    assert_eq!(token_of(&evidence), TOKEN);

    let create = google.only(CREATE);
    let parent = "/v1/projects/a-project/locations/europe-west4/challenges";
    assert_eq!((create.method.as_str(), create.path.as_str()), ("POST", parent));
    assert_eq!(create.json(), json!({}));
    let verify = google.only(VERIFY);
    assert_eq!((verify.method.as_str(), verify.path), ("POST", format!("/v1/{CHALLENGE}:verifyAttestation")));
    for call in [&create, &google.only(VERIFY)] {
        assert_eq!(call.query, "%24alt=json%3Benum-encoding%3Dint");
        assert_eq!(call.headers["authorization"], format!("Bearer {ACCESS}"));
        // The library omits the port.
        assert_eq!(call.headers["host"], "127.0.0.1");
    }
    let body = google.only(VERIFY).json();
    let mut members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["tokenOptions", "tpmAttestation"]);
    let nonce = transcript.token_nonce();
    let options = json!({"audience": AUDIENCE, "nonce": [nonce.as_str()], "tokenType": 2});
    assert_eq!(body["tokenOptions"], options);

    let tpm = &body["tpmAttestation"];
    assert_eq!(bytes(&tpm["tcgEventLog"]), LOG);
    let certificate = &evidence.vtpm.as_ref().unwrap().ak_certificate;
    assert_eq!(bytes(&tpm["akCert"]), certificate.0);
    assert_eq!(tpm.get("certChain"), None);
    let quotes = tpm["quotes"].as_array().unwrap();
    assert!(quotes.iter().any(|quote| quote["hashAlgo"] == 11), "{quotes:?}");
    for quote in quotes {
        let raw = bytes(&quote["rawQuote"]);
        assert!(verifies(&spki, &raw, &bytes(&quote["rawSignature"])));
        let attest = Attest::unmarshall(&raw).unwrap();
        assert_eq!(attest.extra_data().value(), NONCE);
        let values: Vec<u8> = (0..24).flat_map(|pcr| bytes(&quote["pcrValues"][pcr.to_string()])).collect();
        let AttestInfo::Quote { info } = attest.attested() else { panic!("not a quote") };
        assert_eq!(info.pcr_digest().value(), digest(&SHA256, &values).as_ref());
        assert_eq!(quote["pcrValues"].as_object().unwrap().len(), 24);
    }
    // The broker's quote is over our own nonce.
    let own = Attest::unmarshall(&evidence.vtpm.unwrap().quote).unwrap();
    assert!(transcript.quote_nonce(None).matches(own.extra_data().value()));
}

#[test]
fn the_metadata_server_is_asked_as_it_wants_to_be() {
    let (machine, _) = Machine::provisioned(AkAlgorithm::Ecc);
    let google = Google::start();
    let mut source = LocalEvidence::new(None, None).with_token(&config(&machine, &google)).unwrap();
    let evidence = collect(&mut source, &transcript()).unwrap();
    // The list may contain only the token: then the vTPM is presented to Google, but not to the broker.
    assert!(evidence.vtpm.is_none() && token_of(&evidence) == TOKEN);
    let asked: Vec<_> =
        google.received().into_iter().filter(|one| one.path.starts_with("/computeMetadata/v1/")).collect();
    assert!(asked.len() >= 4, "{asked:?}");
    assert!(asked.iter().all(|one| one.method == "GET" && one.headers["metadata-flavor"] == "Google"));
    assert!(asked.iter().all(|one| !one.path.ends_with(ID_TOKEN)), "no id token unless configured");
    let scope = &google.only(ACCESS_TOKEN).query;
    assert!(scope.contains("cloud-platform"), "{scope}");
}

#[test]
fn google_gets_the_configured_request() {
    let (machine, _) = Machine::provisioned(AkAlgorithm::Ecc);
    let ca = rcgen::generate_simple_self_signed(vec!["issuer".to_owned()]).unwrap().cert;
    let file = machine.directory.path().join("issuers.pem");
    std::fs::write(&file, ca.pem()).unwrap();
    let google =
        Google::start().with(CREATE, challenge("projects/7/locations/us-east1/challenges/x_Y-9", &NONCE));
    let mut config = config(&machine, &google);
    config.vtpm = VtpmConfig { issuers: vec![file], ..config.vtpm };
    config.google_token = GoogleTokenConfig {
        r#type: TokenType::Oidc,
        service_account: true,
        project: Some("other".to_owned()),
        location: Some("us-east1".to_owned()),
        ..config.google_token
    };
    let mut source = LocalEvidence::new(None, None).with_token(&config).unwrap();
    collect(&mut source, &transcript()).unwrap();
    assert_eq!(google.only(CREATE).path, "/v1/projects/other/locations/us-east1/challenges");
    let verify = google.only(VERIFY);
    assert_eq!(verify.path, "/v1/projects/7/locations/us-east1/challenges/x_Y-9:verifyAttestation");
    let body = verify.json();
    assert_eq!(body["tokenOptions"]["tokenType"], 1);
    assert_eq!(bytes(&body["tpmAttestation"]["certChain"][0]), ca.der().as_ref());
    assert_eq!(body["gcpCredentials"], json!({"serviceAccountIdTokens": [google::id_token()]}));
    let asked = google.only(ID_TOKEN).query;
    assert!(asked.contains("audience=projects%2F7%2Flocations%2Fus-east1%2Fchallenges%2Fx_Y-9"), "{asked}");
    assert!(asked.contains("format=full"), "{asked}");
    let places =
        google.received().into_iter().filter(|one| one.path.ends_with(PROJECT) || one.path.ends_with(ZONE));
    assert_eq!(places.count(), 0);
}

/// Quotes anything, and records it.
struct TrustDomain(Arc<Mutex<Vec<[u8; 64]>>>);

impl HardwareReporter for TrustDomain {
    fn kind(&self) -> HardwareKind {
        HardwareKind::Tdx
    }

    fn report(&mut self, report_data: &[u8; 64]) -> Result<HardwareReport, HardwareError> {
        self.0.lock().expect("no test panics here").push(*report_data);
        let quote = [b"quote over ".as_slice(), report_data].concat();
        Ok(HardwareReport::Tdx(TdxQuote { quote, event_log: Some(b"CCEL".to_vec()) }))
    }
}

#[test]
fn in_a_trust_domain_google_is_shown_the_quote() {
    let (machine, _) = Machine::provisioned(AkAlgorithm::Ecc);
    let google = Google::start();
    let table = machine.directory.path().join("table");
    std::fs::write(&table, b"the table").unwrap();
    let mut config = config(&machine, &google);
    config.google_token.show = Shown::Auto;
    config.tdx = TdxConfig { event_log_table: table, ..TdxConfig::default() };
    let asked = Arc::default();
    let device = Box::new(TrustDomain(Arc::clone(&asked)));
    let mut source = LocalEvidence::new(None, Some(device)).with_token(&config).unwrap();
    let evidence = collect(&mut source, &transcript()).unwrap();
    let asked = asked.lock().unwrap().clone();
    let shown = [NONCE.as_slice(), &[0; 32]].concat();
    assert_eq!((asked.len(), &asked[1][..]), (2, &shown[..]));

    let body = google.only(VERIFY).json();
    let tdx = &body["tdCcel"];
    assert_eq!(bytes(&tdx["tdQuote"]), [b"quote over ".as_slice(), &shown].concat());
    assert_eq!(bytes(&tdx["ccelData"]), b"CCEL");
    assert_eq!(bytes(&tdx["ccelAcpiTable"]), b"the table");
    assert_eq!(body["instance"], "projects/1234/zones/europe-west4-a/instances/5678");
    assert!(!bytes(&body["tpmAttestation"]["akCert"]).is_empty());
    assert_eq!(body["tpmAttestation"].get("quotes"), None);
    // The broker gets another quote.
    assert_eq!(evidence.tdx.unwrap().quote.0, [b"quote over ".as_slice(), &asked[0]].concat());
    assert_ne!(asked[0], asked[1]);

    let lost = TdxConfig { event_log_table: "/nowhere/CCEL".into(), ..TdxConfig::default() };
    let config = CollectConfig { tdx: lost, ..config };
    let device = Box::new(TrustDomain(Arc::default()));
    let mut source = LocalEvidence::new(None, Some(device)).with_token(&config).unwrap();
    let error = collect(&mut source, &transcript()).unwrap_err();
    assert!(matches!(&error, CollectError::Hardware { source: HardwareError::Ccel(_), .. }), "{error}");
}

#[test]
fn a_quote_that_nothing_here_makes_is_an_error_at_once() {
    let (machine, _) = Machine::provisioned(AkAlgorithm::Ecc);
    let google = Google::start();
    let mut config = config(&machine, &google);
    config.google_token.show = Shown::Tdx;
    config.tdx.tsm = "/nowhere/tsm".into();
    let error = LocalEvidence::new(Some(machine.config()), None).with_token(&config).err().unwrap();
    assert!(matches!(error, CollectError::Hardware { kind: HardwareKind::Tdx, .. }), "{error}");
    assert_eq!(google.received().len(), 0);
}

fn challenge(name: &str, nonce: &[u8]) -> Answer {
    Answer::With(200, json!({"name": name, "tpmNonce": STANDARD.encode(nonce)}).to_string())
}

fn error(status: u16, message: &str) -> Answer {
    let status_name = if status == 403 { "PERMISSION_DENIED" } else { "UNAVAILABLE" };
    let body = json!({"error": {"code": status, "message": message, "status": status_name}});
    Answer::With(status, body.to_string())
}

fn all(google: &Google, route: &str) -> usize {
    google.received().iter().filter(|one| one.path.ends_with(route)).count()
}

/// A trust domain whose quote Google answers like this.
fn trust_domain(machine: &Machine, status: u16, body: String) -> (Google, CollectConfig) {
    let google = Google::start().with(VERIFY, Answer::Where("tdCcel", status, body));
    let table = machine.directory.path().join("table");
    std::fs::write(&table, b"the table").expect("a file");
    let mut config = config(machine, &google);
    config.google_token.show = Shown::Auto;
    config.tdx = TdxConfig { event_log_table: table, ..TdxConfig::default() };
    (google, config)
}

#[test]
fn a_trust_domain_whose_quote_google_does_not_take_shows_its_vtpm_and_says_so_once() {
    let (machine, _) = Machine::provisioned(AkAlgorithm::Ecc);
    let refusals = [
        (
            400,
            json!({"error": {"code": 400, "message": "no GRUB measurements found", "status": "INVALID_ARGUMENT"}}),
        ),
        (200, json!({"partialErrors": [{"code": 3, "message": "no GRUB measurements found"}]})),
    ];
    for (status, body) in refusals {
        let (google, config) = trust_domain(&machine, status, body.to_string());
        let told = Arc::new(Mutex::new(Vec::new()));
        let teller = Arc::clone(&told);
        let device = Box::new(TrustDomain(Arc::default()));
        let source = LocalEvidence::new(None, Some(device)).with_token(&config).unwrap();
        let mut source = source.on_remark(move |remark| teller.lock().unwrap().push(remark.to_owned()));
        let evidence = collect(&mut source, &transcript()).unwrap();
        // The broker still gets the quote.
        assert!(token_of(&evidence) == TOKEN && evidence.tdx.is_some());
        assert_eq!((all(&google, CREATE), all(&google, VERIFY)), (2, 2));
        let last = google.received().into_iter().rfind(|one| one.path.ends_with(VERIFY)).unwrap().json();
        assert!(
            last.get("tdCcel").is_none() && !last["tpmAttestation"]["quotes"].as_array().unwrap().is_empty()
        );
        // From then on the vTPM is presented at once.
        collect(&mut source, &transcript()).unwrap();
        assert_eq!((all(&google, CREATE), all(&google, VERIFY)), (3, 3));
        let told = told.lock().unwrap().clone();
        let [only] = &told[..] else { panic!("{told:?}") };
        assert!(
            only.starts_with("the token rests on the vTPM") && only.contains("no GRUB measurements found"),
            "{only}"
        );
    }
}

#[test]
fn a_quote_that_was_asked_for_by_name_has_no_substitute() {
    let (machine, _) = Machine::provisioned(AkAlgorithm::Ecc);
    let collect_with = |status: u16, show| {
        let body =
            json!({"error": {"code": status, "message": "no", "status": "INVALID_ARGUMENT"}}).to_string();
        let (google, mut config) = trust_domain(&machine, status, body);
        config.google_token.show = show;
        let device = Box::new(TrustDomain(Arc::default()));
        let mut source = LocalEvidence::new(None, Some(device)).with_token(&config).unwrap();
        let error = collect(&mut source, &transcript()).unwrap_err();
        assert_eq!(all(&google, VERIFY), 1);
        error
    };
    let error = collect_with(400, Shown::Tdx);
    assert!(matches!(error, CollectError::Token(TokenError::Refused { status: 400, .. })), "{error}");
    // An error unrelated to the quote is no reason either.
    let error = collect_with(403, Shown::Auto);
    assert!(matches!(error, CollectError::Token(TokenError::Refused { status: 403, .. })), "{error}");
}
