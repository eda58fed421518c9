//! What the fuzzers run, one function a target.
//!
//! Each takes any bytes and must return: no panic, no endless loop, no unbounded memory. If parsing succeeds,
//! properties of the result are asserted.

mod age;
mod component_list;
mod google;
mod keyring;
mod proposal;
mod proxy;
mod succession;
mod updates;

use std::collections::BTreeMap;
use std::sync::OnceLock;

pub use age::age_file;
pub use component_list::component_list;
pub use google::{google_token, launch_endorsement};
pub use keyring::{keyring_file, kms_answer};
pub use proposal::proposal;
pub use proxy::proxy_header;
use serde::{Deserialize, Serialize};
pub use succession::succession;
pub use updates::{boot_log, efi_image, grub_configuration};
use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::collateral::{CheckInputs, PcsAnswers, StoredCollateral, TdxDescription, TdxPart};
use vouchsafe_attestation::event_log::{
    CcelLog, EventLog, PcrRule, Phase, ReplayedCcel, ReplayedLog, Technology, UserspaceLog,
};
use vouchsafe_attestation::snp::{self, SnpEvidence};
use vouchsafe_attestation::tdx::{self, Appraisal, TdxCollateral};
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_attestation::test_util::event_log::userspace::UserspaceBuilder;
use vouchsafe_attestation::test_util::snp::{FakeAmd, SignedReport, SnpReportBuilder};
use vouchsafe_attestation::test_util::tdx::{FakeIntel, TdxQuoteBuilder};
use vouchsafe_attestation::test_util::vm::SimulatedVm;
use vouchsafe_attestation::vtpm::{Attest, TpmSignature, parse_instance_info};
use vouchsafe_attestation::{
    Collateral, Endorsements, Expected, Root, TrustAnchors, VerifiedClaims, VerifyCache, VerifyError,
    VerifyInputs, inspect_vtpm,
};
use vouchsafe_guest_client::clevis::UnverifiedJwe;
use vouchsafe_guest_client::hardware::certificate_table::CertificateTable;
use vouchsafe_guest_client::luks;
use vouchsafe_protocol::bundle::{Bundle, BundleFormat, MAX_BUNDLE_ITEMS};
use vouchsafe_protocol::challenge::ChallengeKey;
use vouchsafe_protocol::limits::{MAX_CA_CERTIFICATES, MAX_PATHS};
use vouchsafe_protocol::messages::{
    ChallengeAnswer, ReleaseAnswer, ReleaseRequest, VolumeAnswer, VolumeRequest,
};
use vouchsafe_protocol::problem::Problem;
use vouchsafe_protocol::{
    BoundRequest, BrokerIdentity, Bytes, Challenge, Digest32, Evidence, GuestPublicKey, Nonce, ReleasePaths,
    Suite, UnixTime,
};

/// The host's certificate table that comes with an SNP report.
pub fn certificate_table(data: &[u8]) {
    if let Ok(table) = CertificateTable::parse(data) {
        for (guid, certificate) in table.iter() {
            assert!(certificate.len() <= data.len());
            // Each name is there once; an entry without content is ignored.
            assert_eq!(table.get(guid).is_none(), certificate.is_empty());
        }
    }
}

/// The header of a LUKS2 volume: as it is, and as metadata under checksums that match.
pub fn luks_header(data: &[u8]) {
    let headers = [luks::Header::parse(data), luks::Header::parse(&luks::fake::metadata(data))];
    for header in headers.into_iter().flatten() {
        // Key slots end before the data, and the copy of the header has a bounded size.
        assert!((32768..=luks::MAX_HEADER).contains(&header.data_offset()));
        assert!((1..=32).contains(&header.keyslots().len()));
        assert!(matches!(header.key_bits(), 256 | 512));
    }
}

/// The JWE of the Clevis pin, which the host can edit. None is opened by a key that nobody used.
pub fn clevis_jwe(data: &[u8]) {
    if let Ok(jwe) = UnverifiedJwe::parse(data) {
        assert!(jwe.volume().len() <= data.len());
        assert!(jwe.open(&[0; 32]).is_err());
    }
}

/// A firmware event log, its replay and its rules.
pub fn event_log(data: &[u8]) {
    let Ok(log) = EventLog::parse(data) else {
        assert!(ReplayedLog::from_bytes(data).is_err());
        return;
    };
    assert!(log.events().iter().all(|event| event.data.len() <= data.len()));
    if let Ok(replayed) = ReplayedLog::from_bytes(data) {
        // Whatever the log contains, it matches the registers that it replays to, or is refused because of a
        // rule.
        let values = replayed.replayed.values();
        let _ = replayed.replayed.check_against(values, PcrRule::Given, None);
        let _ = replayed.replayed.check_against(values, PcrRule::Release, None);
    }
}

/// systemd's measurement log, compared with registers that result from a boot of constants.
pub fn userspace_log(data: &[u8]) {
    static BOOT: OnceLock<(ReplayedLog, BTreeMap<u8, Digest32>)> = OnceLock::new();
    let (log, pcrs) = BOOT.get_or_init(|| {
        let mut vm =
            SimulatedVm::booted(&AkCertificateSpec::default(), &EventLogBuilder::gce_uki(Technology::Tdx));
        vm.measure(&UserspaceBuilder::initrd_262());
        (ReplayedLog::from_bytes(&vm.event_log).expect("a preset"), vm.pcrs)
    });
    let Ok(userspace) = UserspaceLog::parse(data) else { return };
    let state = log.replayed.check_against(pcrs, PcrRule::Release, Some(&userspace));
    // Whatever the log contains, registers that are explained without it stay explained, and PCR 15 was not
    // extended.
    assert_eq!(state, log.replayed.check_against(pcrs, PcrRule::Release, None));
    // An unexplained value of a register is refused with any log that does not replay to it.
    for pcr in [9, 12, 15] {
        let mut other = pcrs.clone();
        other.insert(pcr, Digest32([0x42; 32]));
        let state = log.replayed.check_against(&other, PcrRule::Release, Some(&userspace));
        match pcr {
            15 => assert_eq!(state.expect("never refused for PCR 15").phase, Some(Phase::Booted)),
            _ => assert!(state.is_err()),
        }
    }
}

/// A CCEL log, its replay and its rules.
pub fn ccel(data: &[u8]) {
    let Ok(log) = CcelLog::parse(data) else {
        assert!(ReplayedCcel::from_bytes(data).is_err());
        return;
    };
    assert!(log.events().iter().all(|event| event.data.len() <= data.len()));
    if let Ok(replayed) = ReplayedCcel::from_bytes(data) {
        // It matches the registers that it replays to, and no others.
        let mut rtmrs = replayed.rtmrs();
        assert!(replayed.check_against(&rtmrs).is_ok());
        rtmrs[3].0[0] ^= 1;
        assert!(replayed.check_against(&rtmrs).is_err());
    }
}

/// A challenge as a guest sends it back, and what a broker sends to a guest.
pub fn challenge(data: &[u8]) {
    if let Ok(challenge) = serde_json::from_slice::<Challenge>(data) {
        // Nobody without the key can make one.
        let foreign = ChallengeKey::new(&[0x42; 32]);
        assert!(foreign.check(&BrokerIdentity([0x42; 32]), &challenge, UnixTime(1_800_000_000)).is_err());
        let again = serde_json::to_vec(&challenge).expect("serialises");
        assert_eq!(serde_json::from_slice::<Challenge>(&again).expect("reads its own output"), challenge);
    }
    let _ = serde_json::from_slice::<ChallengeAnswer>(data);
    let _ = serde_json::from_slice::<ReleaseAnswer>(data);
    let _ = serde_json::from_slice::<VolumeAnswer>(data);
    let _ = serde_json::from_slice::<Problem>(data);
}

/// Evidence, and a whole request around it.
pub fn evidence_json(data: &[u8]) {
    if let Ok(evidence) = serde_json::from_slice::<Evidence>(data) {
        let _ = evidence.check_sizes();
        if let Some(vtpm) = &evidence.vtpm {
            assert!(vtpm.ca_certificates.len() <= MAX_CA_CERTIFICATES);
        }
        let again = serde_json::to_vec(&evidence).expect("serialises");
        assert_eq!(serde_json::from_slice::<Evidence>(&again).expect("reads its own output"), evidence);
    }
    if let Ok(request) = serde_json::from_slice::<ReleaseRequest>(data) {
        let paths = request.paths.as_slice();
        assert!((1..=MAX_PATHS).contains(&paths.len()));
        assert!(paths.is_sorted_by(|one, next| one < next));
        assert!(request.headers.iter().count() <= MAX_PATHS);
        if let Ok(body) = request.body() {
            assert_eq!(body.paths(), paths);
        }
    }
    if let Ok(request) = serde_json::from_slice::<VolumeRequest>(data) {
        let again = serde_json::to_vec(&request).expect("serialises");
        assert_eq!(serde_json::from_slice::<VolumeRequest>(&again).expect("reads its own output"), request);
    }
}

/// A bundle of collateral, or a file that an operator imports.
pub fn collateral_bundle(data: &[u8]) {
    let (stored, anchors) = (StoredCollateral::default(), TrustAnchors::builtin());
    let inputs = CheckInputs { anchors: &anchors, now: NOW, crl_issuer: None };
    if let Ok(stored) = stored.import(data, None, inputs) {
        assert!(stored.load().is_ok());
    }
    let Ok(bundle) = Bundle::parse(data) else { return };
    let again = serde_json::to_vec(&bundle).expect("serialises");
    assert_eq!(Bundle::parse(&again).expect("reads its own output"), bundle);
    // Nobody without a broker's key can make a bundle of that broker.
    let foreign = BrokerIdentity([0x42; 32]);
    assert!(bundle.clone().verify(&foreign, BundleFormat::Exported).is_err());
    let signer = bundle.signer();
    if let Ok(items) = bundle.verify(&signer, BundleFormat::Exported) {
        assert!(items.len() <= MAX_BUNDLE_ITEMS);
        for item in &items {
            assert_eq!(item.digest, Digest32::of(&item.content));
        }
        if let Ok((stored, _)) = stored.merge(items, inputs) {
            assert!(stored.load().is_ok());
        }
    }
}

/// A report of AMD's secure processor, as far as the verifier reads one that no chip signed.
pub fn snp_report(data: &[u8]) {
    static CHIP: OnceLock<Chip> = OnceLock::new();
    let chip = CHIP.get_or_init(|| {
        let amd = FakeAmd::shared(Product::Genoa);
        let SignedReport { vek, certificates, .. } = SnpReportBuilder::new(Product::Genoa).sign(amd);
        let anchors = TrustAnchors::builtin().with_extra(amd.ark_der()).expect("a CA certificate");
        let certificates = certificates.into_iter().map(Bytes).collect();
        Chip { vek, certificates, anchors, cache: VerifyCache::new(8, 1024) }
    });
    let evidence = SnpEvidence { report: data, vek: &chip.vek, certificates: &chip.certificates };
    let collateral = &Collateral::empty();
    let (anchors, cache, endorsements) = (&chip.anchors, &chip.cache, &Endorsements::default());
    let inputs = VerifyInputs { anchors, collateral, endorsements, audiences: &[], now: NOW, cache };
    // The chip's key is made anew in each process, so no input is signed by it.
    assert!(snp::verify_unbound(&evidence, &inputs).is_err());
}

/// A TDX quote: the parser, and the verifier over one that no platform signed.
pub fn tdx_quote(data: &[u8]) {
    if let Ok(quote) = tdx::cut(data) {
        assert!(data.starts_with(quote));
        assert!(data.iter().skip(quote.len()).all(|byte| *byte == 0));
        assert_eq!(tdx::cut(quote), Ok(quote));
    }
    let _ = tdx::platform(data);
    // The platform's keys are made anew in each process, so no input is signed by them.
    assert!(Platform::shared().verify(data, Appraisal::Waived).is_err());
}

/// Intel's collateral: answers of its service, and the verifier over a quote in order.
pub fn tdx_collateral(data: &[u8]) {
    for part in [TdxPart::TcbInfo, TdxPart::QeIdentity, TdxPart::PckCrl, TdxPart::RootCrl] {
        let _ = PcsAnswers::default().add(part, data, |_| Some(data));
    }
    let Ok(collateral) = TdxCollateral::parse(data) else {
        return;
    };
    let _ = TdxDescription::read(&collateral);
    let platform = Platform::shared();
    // The CAs are made anew in each process, so no input is signed by them.
    assert!(platform.verify(&platform.quote, Appraisal::Given(&collateral)).is_err());
}

/// `TPMS_ATTEST`.
pub fn tpms_attest(data: &[u8]) {
    if let Ok(attest) = Attest::parse(data) {
        assert!(attest.extra_data.len() <= data.len());
    }
}

/// `TPMT_SIGNATURE`.
pub fn tpmt_signature(data: &[u8]) {
    let _ = TpmSignature::parse(data);
}

/// The instance-info extension of an AK certificate.
pub fn instance_info(data: &[u8]) {
    let _ = parse_instance_info(data);
}

/// The protobuf of Google's go-tpm-tools.
pub fn go_tpm_tools(data: &[u8]) {
    if let Ok(evidence) = vouchsafe_attestation::go_tpm_tools::read(data) {
        let inspection = Inspection::new();
        let _ = inspect_vtpm(&evidence, Expected::Waived, &inspection.get(NOW));
    }
}

/// A whole verification: anchors, collateral, time, request and evidence in one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// Trust anchors, DER, in addition to those built in.
    pub anchors: Vec<Bytes>,
    /// CRLs, DER.
    pub crls: Vec<Bytes>,
    /// The verification time.
    pub now: UnixTime,
    /// The broker that the request is for.
    pub broker: BrokerIdentity,
    /// The nonce of its challenge.
    pub nonce: Nonce,
    /// The suite of the guest's key.
    pub suite: Suite,
    /// The guest's key.
    pub public_key: Bytes,
    /// The requested item.
    pub paths: ReleasePaths,
    /// What is shown for it.
    pub evidence: Evidence,
}

impl Verification {
    /// Verifies. `None` when anchors, collateral or key are not even readable.
    pub fn run(&self) -> Option<Result<VerifiedClaims, VerifyError>> {
        let mut inspection = Inspection::new();
        for anchor in self.anchors.iter().take(4) {
            inspection.anchors = inspection.anchors.with_extra(anchor).ok()?;
        }
        let crls: Vec<_> = self.crls.iter().take(4).map(|crl| crl.to_vec()).collect();
        inspection.collateral = Collateral::new(&crls, &[]).ok()?;
        let key = GuestPublicKey::new(self.suite, &self.public_key).ok()?;
        let bound = BoundRequest::release(&self.broker, self.nonce, key, &self.paths);
        Some(vouchsafe_attestation::verify(&self.evidence, bound, &inspection.get(self.now)))
    }
}

/// The whole of verify.
pub fn verify(data: &[u8]) {
    let Ok(input) = serde_json::from_slice::<Verification>(data) else {
        return;
    };
    if let Some(Ok(claims)) = input.run() {
        assert_eq!(claims.bound().nonce(), input.nonce);
        assert_eq!(claims.wrap_key().as_bytes(), &input.public_key[..]);
        // Nobody but the vendors can make evidence with a vendor's root, and the inputs are not theirs.
        let roots = [
            claims.claims().vtpm.as_ref().map(|vtpm| vtpm.root),
            claims.claims().sev_snp.as_ref().and_then(|snp| snp.root),
        ];
        assert!(roots.into_iter().flatten().all(|root| root == Root::Extra));
    }
}

struct Chip {
    vek: Vec<u8>,
    certificates: Vec<Bytes>,
    anchors: TrustAnchors,
    cache: VerifyCache,
}

/// A fake Intel's platform.
struct Platform {
    quote: Vec<u8>,
    anchors: TrustAnchors,
    cache: VerifyCache,
}

impl Platform {
    fn shared() -> &'static Self {
        static PLATFORM: OnceLock<Platform> = OnceLock::new();
        PLATFORM.get_or_init(|| {
            let intel = FakeIntel::shared();
            Self {
                quote: TdxQuoteBuilder::new().sign(intel),
                anchors: TrustAnchors::builtin().with_extra(intel.root_der()).expect("a CA certificate"),
                cache: VerifyCache::new(8, 1024),
            }
        })
    }

    fn verify(&self, quote: &[u8], appraisal: Appraisal<'_>) -> Result<tdx::UnboundQuote, tdx::TdxError> {
        let inputs = VerifyInputs {
            anchors: &self.anchors,
            collateral: &Collateral::empty(),
            endorsements: &Endorsements::default(),
            audiences: &[],
            now: NOW,
            cache: &self.cache,
        };
        tdx::verify_unbound(quote, appraisal, &inputs)
    }
}

struct Inspection {
    anchors: TrustAnchors,
    collateral: Collateral,
    endorsements: Endorsements,
    cache: VerifyCache,
}

impl Inspection {
    fn new() -> Self {
        Self {
            anchors: TrustAnchors::builtin(),
            collateral: Collateral::empty(),
            endorsements: Endorsements::default(),
            cache: VerifyCache::new(8, 1024 * 1024),
        }
    }

    const fn get(&self, now: UnixTime) -> VerifyInputs<'_> {
        VerifyInputs {
            anchors: &self.anchors,
            collateral: &self.collateral,
            endorsements: &self.endorsements,
            audiences: &[],
            now,
            cache: &self.cache,
        }
    }
}

/// 2026-02-19, inside the validity of everything that the builders make.
const NOW: UnixTime = UnixTime(1_771_500_000);
