//! How the pieces of evidence are bound to the request and to each other.

#[path = "support/machine.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod machine;
#[path = "../../tests/src/swtpm.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the end-to-end tests")]
mod swtpm;

use machine::{LOG, Machine};
use tss_esapi::structures::Attest;
use tss_esapi::traits::UnMarshall as _;
use vouchsafe_guest_client::config::{CollectConfig, EvidenceChoice, SevSnpConfig, TdxConfig, VtpmConfig};
use vouchsafe_guest_client::evidence::{CaptureBinding, CollectError};
use vouchsafe_guest_client::hardware::{
    CertificateTable, Guid, HardwareError, HardwareKind, HardwareReport, HardwareReporter, SnpReport,
    TdxQuote,
};
use vouchsafe_guest_client::vtpm::{AkAlgorithm, VtpmError};
use vouchsafe_guest_client::{CollectRequest, EvidenceSource, LocalEvidence};
use vouchsafe_protocol::{
    BoundRequest, BrokerIdentity, Bytes, Evidence, GuestKey, Nonce, ReleasePaths, SecretPath, SharedBytes,
    Suite, Transcript,
};

/// A processor that reports anything, unsigned; the host sends these certificates with it.
struct Processor {
    signing_key: u8,
    table: Vec<(Guid, &'static [u8])>,
}

impl Processor {
    fn with_key(signing_key: u8) -> Box<dyn HardwareReporter> {
        let table = vec![
            (Guid::VCEK, b"vcek".as_slice()),
            (Guid::VLEK, b"vlek"),
            (Guid::ASK, b"ask"),
            (Guid::ARK, b"ark"),
            (Guid::GCE_ENDORSEMENT, b"endorsement"),
        ];
        Box::new(Self { signing_key, table })
    }
}

impl HardwareReporter for Processor {
    fn kind(&self) -> HardwareKind {
        HardwareKind::SevSnp
    }

    fn report(&mut self, report_data: &[u8; 64]) -> Result<HardwareReport, HardwareError> {
        let key_info = vec![self.signing_key << 2];
        let report =
            [vec![0; 0x48], key_info, vec![0; 7], report_data.to_vec(), vec![0; 1184 - 0x90]].concat();
        let mut offset = 24 * (self.table.len() + 1);
        let (mut header, mut bytes) = (Vec::new(), Vec::new());
        for (guid, certificate) in &self.table {
            let number = |n: usize| u32::try_from(n).expect("small").to_le_bytes();
            header.extend([guid.0.as_slice(), &number(offset), &number(certificate.len())].concat());
            bytes.extend_from_slice(certificate);
            offset += certificate.len();
        }
        let table = [header, vec![0; 24], bytes].concat();
        Ok(HardwareReport::SevSnp(SnpReport { report, certificates: CertificateTable::parse(&table)? }))
    }
}

/// A trust domain that quotes anything, unsigned.
struct TrustDomain;

impl HardwareReporter for TrustDomain {
    fn kind(&self) -> HardwareKind {
        HardwareKind::Tdx
    }

    fn report(&mut self, report_data: &[u8; 64]) -> Result<HardwareReport, HardwareError> {
        let quote = [b"quote over ".as_slice(), report_data].concat();
        Ok(HardwareReport::Tdx(TdxQuote { quote, event_log: Some(b"CCEL".to_vec()) }))
    }
}

fn collect(source: &mut LocalEvidence, transcript: &Transcript) -> Result<Evidence, CollectError> {
    source.collect(&CollectRequest { transcript, audience: "https://broker.example" })
}

fn transcript() -> Transcript {
    let paths = ReleasePaths::new(vec![SecretPath::parse("n/a").expect("a path")]).expect("paths");
    let key = GuestKey::generate(Suite::X25519);
    BoundRequest::release(&BrokerIdentity([1; 32]), Nonce([2; 32]), key.public().clone(), &paths).transcript()
}

fn extra_data(evidence: &Evidence) -> Vec<u8> {
    let quote = &evidence.vtpm.as_ref().expect("a quote").quote;
    Attest::unmarshall(quote).expect("TPMS_ATTEST").extra_data().value().to_vec()
}

fn report(evidence: &Evidence) -> &[u8] {
    &evidence.sev_snp.as_ref().expect("a report").report
}

#[test]
fn t01_report_commits_to_the_key_and_quote_to_the_report() {
    let (machine, ak) = Machine::provisioned(AkAlgorithm::Ecc);
    let transcript = transcript();
    let mut source = LocalEvidence::new(Some(machine.config()), Some(Processor::with_key(0)));
    let evidence = collect(&mut source, &transcript).unwrap();
    let report = report(&evidence);
    assert!(transcript.report_data(Some(&ak)).matches(&report[0x50..0x90]));
    assert!(transcript.quote_nonce(Some(report)).matches(&extra_data(&evidence)));
    let vtpm = evidence.vtpm.as_ref().unwrap();
    assert_eq!(vtpm.event_log, SharedBytes::from(LOG));
    assert!(vtpm.ak_certificate.windows(ak.len()).any(|part| part == ak));
    assert_eq!(vtpm.ca_certificates, []);
}

#[test]
fn t01_quote_of_a_trust_domain_commits_to_the_key_and_the_vtpm_to_it() {
    let (machine, ak) = Machine::provisioned(AkAlgorithm::Ecc);
    let transcript = transcript();
    let mut source = LocalEvidence::new(Some(machine.config()), Some(Box::new(TrustDomain)));
    let evidence = collect(&mut source, &transcript).unwrap();
    let tdx = evidence.tdx.as_ref().unwrap();
    assert!(transcript.report_data(Some(&ak)).matches(&tdx.quote[11..]));
    assert!(transcript.quote_nonce(Some(&tdx.quote)).matches(&extra_data(&evidence)));
    assert_eq!(tdx.event_log, Some(SharedBytes::from(b"CCEL".as_slice())));
    assert!(evidence.sev_snp.is_none() && evidence.google_token.is_none());

    let evidence = collect(&mut LocalEvidence::new(None, Some(Box::new(TrustDomain))), &transcript).unwrap();
    assert!(transcript.report_data(None).matches(&evidence.tdx.unwrap().quote[11..]));
}

#[test]
fn t04_each_piece_alone_is_bound_to_the_transcript() {
    let transcript = transcript();
    let mut alone = LocalEvidence::new(None, Some(Processor::with_key(0)));
    let evidence = collect(&mut alone, &transcript).unwrap();
    assert!(transcript.report_data(None).matches(&report(&evidence)[0x50..0x90]));
    assert!(evidence.vtpm.is_none());

    let (machine, _) = Machine::provisioned(AkAlgorithm::Rsa);
    let mut alone = LocalEvidence::new(Some(machine.config()), None);
    let evidence = collect(&mut alone, &transcript).unwrap();
    assert!(transcript.quote_nonce(None).matches(&extra_data(&evidence)));
    assert!(evidence.sev_snp.is_none());
}

#[test]
fn t16_the_certificate_is_the_one_of_the_signing_key() {
    for (signing_key, certificate) in [(0, b"vcek"), (1, b"vlek")] {
        let mut source = LocalEvidence::new(None, Some(Processor::with_key(signing_key)));
        let snp = collect(&mut source, &transcript()).unwrap().sev_snp.unwrap();
        assert_eq!(snp.vek_certificate, Some(Bytes::from(certificate.as_slice())));
        assert_eq!(snp.ca_certificates, [Bytes::from(b"ask".as_slice()), Bytes::from(b"ark".as_slice())]);
        assert_eq!(snp.launch_endorsement, Some(Bytes::from(b"endorsement".as_slice())));
    }
}

#[test]
fn captured_evidence_is_bound_to_no_release() {
    let (machine, _) = Machine::provisioned(AkAlgorithm::Ecc);
    let mut source = LocalEvidence::new(Some(machine.config()), Some(Processor::with_key(0)));
    let nonce = *transcript().as_bytes();
    let (evidence, binding) = source.capture(&nonce, "").unwrap();
    assert_eq!(binding, CaptureBinding::new(&nonce));
    assert_eq!(extra_data(&evidence), binding.quote_nonce);
    assert_eq!(report(&evidence)[0x50..0x90], binding.report_data);
    // Choosing the nonce does not determine the quote's extra data.
    assert_ne!(binding.quote_nonce, nonce);
    assert_eq!(binding.report_data[32..], [0; 32]);
}

#[test]
fn issuing_cas_are_sent_along() {
    let (machine, _) = Machine::provisioned(AkAlgorithm::Ecc);
    let file = machine.directory.path().join("issuers.pem");
    let ca = rcgen::generate_simple_self_signed(vec!["issuer".to_owned()]).unwrap().cert;
    std::fs::write(&file, ca.pem() + &ca.pem()).unwrap();
    let config = VtpmConfig { issuers: vec![file.clone()], ..machine.config() };
    let evidence = collect(&mut LocalEvidence::new(Some(config.clone()), None), &transcript()).unwrap();
    assert_eq!(
        evidence.vtpm.unwrap().ca_certificates,
        [Bytes::from(ca.der().as_ref()), ca.der().as_ref().into()]
    );

    std::fs::write(&file, "nothing").unwrap();
    let error = collect(&mut LocalEvidence::new(Some(config), None), &transcript()).unwrap_err();
    assert!(matches!(error, CollectError::Issuers { path, .. } if path == file));
}

fn config(evidence: EvidenceChoice, vtpm: VtpmConfig) -> CollectConfig {
    let sev_snp = SevSnpConfig { tsm: "/nowhere/tsm".into() };
    let tdx = TdxConfig { tsm: "/nowhere/tsm".into(), ..TdxConfig::default() };
    CollectConfig { evidence, vtpm, sev_snp, tdx, ..CollectConfig::default() }
}

fn with_vtpm(hardware: HardwareKind) -> EvidenceChoice {
    EvidenceChoice::Listed { vtpm: true, hardware: Some(hardware), google_token: false }
}

#[test]
fn auto_uses_available_evidence_and_a_list_requires_it() {
    let (machine, _) = Machine::provisioned(AkAlgorithm::Ecc);
    let mut auto = LocalEvidence::open(&config(EvidenceChoice::Auto, machine.config())).unwrap();
    let evidence = collect(&mut auto, &transcript()).unwrap();
    assert!(evidence.vtpm.is_some() && evidence.sev_snp.is_none());

    let both = with_vtpm(HardwareKind::SevSnp);
    let error = LocalEvidence::open(&config(both, machine.config())).err().unwrap();
    let missing = |error: &CollectError, kind| matches!(error, CollectError::Hardware { kind: found, .. } if *found == kind);
    assert!(missing(&error, HardwareKind::SevSnp), "{error}");

    let both = with_vtpm(HardwareKind::Tdx);
    let error = LocalEvidence::open(&config(both, machine.config())).err().unwrap();
    assert!(missing(&error, HardwareKind::Tdx) && error.to_string().contains("Linux 6.7"), "{error}");
}

#[test]
fn the_measurement_log_of_systemd_comes_along_where_it_can_be_read() {
    let (machine, _) = Machine::provisioned(AkAlgorithm::Ecc);
    let sent = || {
        let evidence = collect(&mut LocalEvidence::new(Some(machine.config()), None), &transcript()).unwrap();
        evidence.vtpm.unwrap().userspace_log.map(|log| log.0)
    };
    assert_eq!(sent(), None);
    std::fs::write(machine.userspace_log(), b"\x1e{}\n\x1e{").unwrap();
    assert_eq!(sent().unwrap(), b"\x1e{}\n", "whole entries");
    // If something else is there, the evidence is collected without it.
    std::fs::remove_file(machine.userspace_log()).unwrap();
    std::fs::create_dir(machine.userspace_log()).unwrap();
    assert_eq!(sent(), None);
}

#[test]
fn a_missing_log_or_key_is_named() {
    let (machine, _) = Machine::provisioned(AkAlgorithm::Ecc);
    let lost = VtpmConfig { event_log: "/nowhere/log".into(), ..machine.config() };
    let error = collect(&mut LocalEvidence::new(Some(lost), None), &transcript()).unwrap_err();
    assert!(matches!(error, CollectError::Vtpm(VtpmError::EventLog { .. })), "{error}");
    let empty = Machine::new();
    let error = collect(&mut LocalEvidence::new(Some(empty.config()), None), &transcript()).unwrap_err();
    assert!(matches!(error, CollectError::Vtpm(VtpmError::NoAttestationKey { .. })), "{error}");
}
