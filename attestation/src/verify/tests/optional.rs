//! T52: a damaged optional part of the evidence does not change the result, since the sender could have
//! omitted it.

use vouchsafe_protocol::Bytes;
use vouchsafe_protocol::limits::{MAX_CERTIFICATE, MAX_ENDORSEMENT};

use super::*;
use crate::anchors::Product;
use crate::launch::EndorsementStore;
use crate::test_util::ca::FakeIssuer;
use crate::test_util::launch::{EndorsementSpec, FakeTcbSigner};
use crate::test_util::snp::{FakeAmd, VekSpec};

/// Signs the VM's AK; its certificate comes with the evidence or is in the store.
static ISSUER: LazyLock<FakeIssuer> = LazyLock::new(|| FakeIssuer::new(shared_google(), 1));

/// An optional part of SNP evidence with a vTPM.
#[derive(Clone, Copy, Debug)]
enum Part {
    Endorsement,
    Vek,
    VekIssuer,
    AkIssuer,
}

const PARTS: [Part; 4] = [Part::Endorsement, Part::Vek, Part::VekIssuer, Part::AkIssuer];

impl Part {
    /// The evidence with this part as given, or without it.
    fn put(self, evidence: &Evidence, bytes: Option<Vec<u8>>) -> Evidence {
        let mut evidence = evidence.clone();
        let bytes = bytes.map(Bytes);
        let (vtpm, snp) = (evidence.vtpm.as_mut().unwrap(), evidence.sev_snp.as_mut().unwrap());
        match self {
            Self::Endorsement => snp.launch_endorsement = bytes,
            Self::Vek => snp.vek_certificate = bytes,
            Self::VekIssuer => snp.ca_certificates = bytes.into_iter().collect(),
            Self::AkIssuer => vtpm.ca_certificates = bytes.into_iter().collect(),
        }
        evidence
    }

    const fn limit(self) -> usize {
        match self {
            Self::Endorsement => MAX_ENDORSEMENT,
            Self::Vek | Self::VekIssuer | Self::AkIssuer => MAX_CERTIFICATE,
        }
    }
}

struct Scene {
    verifier: Verifier,
    evidence: Evidence,
    endorsement: Vec<u8>,
    vek: Vec<u8>,
}

/// A VM, and a broker whose store has everything that the VM might omit (`stocked`), or nothing.
fn scene(stocked: bool) -> Scene {
    let (mut vm, issuer) = (SimulatedVm::new(), &*ISSUER);
    vm.ak_certificate = issuer.issue_ak(vm.ak.spki(), &AkCertificateSpec::default());
    vm.ak_issuers = vec![issuer.der().to_vec()];
    let evidence = vm.evidence(Kinds::BOTH, &bound(1));
    let anchors = shared_anchors().with_extra(FakeTcbSigner::shared().root_der()).unwrap();
    let measurement = vouchsafe_protocol::Digest48(vm.report.measurement);
    let endorsement = FakeTcbSigner::shared().endorse_snp(&measurement);
    let vek = vm.vek_certificate.clone().unwrap();
    let mut verifier = Verifier { anchors, ..Verifier::new() };
    if stocked {
        let issuers = [issuer.der().to_vec(), vm.amd.ask_der().to_vec()];
        verifier.collateral = Collateral::new(&[], &issuers).unwrap();
        verifier.endorsements.veks = VekStore::new(std::slice::from_ref(&vek));
        verifier.endorsements.launch = EndorsementStore::new([(measurement, endorsement.clone())]);
    }
    Scene { verifier, evidence, endorsement, vek }
}

/// The result for a decision: claims without the reasons for absent ones, or the refusal.
fn verdict(verifier: &Verifier, evidence: &Evidence) -> Result<Claims, String> {
    let claims = verifier.verify(evidence, &bound(1)).map_err(|error| error.name())?;
    Ok(Claims { withheld: Vec::new(), ..claims })
}

/// A small deterministic random number generator (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

/// A genuine part with a random change.
fn damaged(genuine: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = genuine.to_vec();
    match numbers.below(4) {
        0 => bytes.truncate(numbers.below(genuine.len())),
        1 => bytes.extend((0..=numbers.below(64)).map(|_| 0xa5)),
        2 => (0..=numbers.below(16)).for_each(|_| bytes[numbers.below(genuine.len())] = 0xff),
        _ => bytes[numbers.below(genuine.len())] ^= 1 << numbers.below(8),
    }
    bytes
}

/// Genuine parts of other VMs, and data that is not such a part at all.
fn foreign(part: Part) -> Vec<Vec<u8>> {
    let (amd, vm) = (FakeAmd::shared(Product::Genoa), SimulatedVm::new());
    let tcb = vm.report.reported_tcb;
    let older = crate::snp::Tcb { microcode: 1, ..tcb };
    let other_key = FakeAk::p256().spki().to_vec();
    let wrong_kind = VekSpec { spki: Some(other_key), ..VekSpec::vcek(Product::Genoa, older, &[0xc1; 64]) };
    let mut all = vec![
        Vec::new(),
        b"-----BEGIN CERTIFICATE-----".to_vec(),
        vec![0x30; part.limit()],
        vec![0; part.limit() + 1],
        vec![0; 4 * part.limit()],
        amd.vcek(tcb, &[0xc7; 64]),
        amd.vek(&wrong_kind),
        amd.vek(&VekSpec::vlek(Product::Genoa, tcb)),
        amd.asvk_der().to_vec(),
        amd.ark_der().to_vec(),
        FakeAmd::shared(Product::Milan).vcek(tcb, &[0xc1; 64]),
        FakeAmd::shared(Product::Turin).vcek(tcb, &[0xc1; 64]),
        FakeIntel::shared().root_der().to_vec(),
        vm.ak_certificate,
        EndorsementSpec::default().sign(FakeTcbSigner::shared()),
    ];
    if let Part::VekIssuer | Part::AkIssuer = part {
        all.push(shared_google().root_der().to_vec());
        all.push(shared_google().intermediate_der().to_vec());
        all.push(FakeIssuer::new(shared_google(), 2).der().to_vec());
    }
    all
}

#[test]
fn t52_a_damaged_optional_part_gives_the_verdict_of_evidence_without_it() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for stocked in [true, false] {
        let Scene { verifier, evidence, endorsement, vek } = scene(stocked);
        for part in PARTS {
            let without = verdict(&verifier, &part.put(&evidence, None));
            let genuine = match part {
                Part::Endorsement => endorsement.clone(),
                Part::Vek => vek.clone(),
                Part::VekIssuer => FakeAmd::shared(Product::Genoa).ask_der().to_vec(),
                Part::AkIssuer => ISSUER.der().to_vec(),
            };
            let whole = verdict(&verifier, &part.put(&evidence, Some(genuine.clone())));
            let cases = (0..400).map(|_| damaged(&genuine, &mut numbers));
            for bytes in cases.chain(foreign(part)) {
                let found = verdict(&verifier, &part.put(&evidence, Some(bytes.clone())));
                // Some bits of a protobuf have no meaning: then it is still the genuine part.
                let same = found == without || (found == whole && whole.is_ok());
                let start = hex::encode(&bytes[..bytes.len().min(64)]);
                assert!(same, "{part:?}, stocked {stocked}: {start} became {found:?}");
            }
        }
        assert!(verdict(&verifier, &evidence).is_ok());
    }
}

#[test]
fn t52_the_stores_certificate_serves_where_the_hosts_is_of_no_use() {
    let Scene { verifier, evidence, vek, .. } = scene(true);
    let snp = evidence.sev_snp.as_ref().unwrap();
    let older = crate::snp::Tcb { microcode: 1, ..SimulatedVm::new().report.reported_tcb };
    let older = FakeAmd::shared(Product::Genoa).vcek(older, &SimulatedVm::new().report.chip_id);
    for (bytes, reason) in [
        (older, "snp-tcb-extension-mismatch"),
        (b"garbage".to_vec(), "vek-chain-malformed"),
        (vec![0; MAX_CERTIFICATE + 1], "vek-chain-certificate-too-large"),
        (FakeAmd::shared(Product::Milan).vcek(older_tcb(), &[0xc1; 64]), "vek-chain-unknown-issuer"),
    ] {
        let claims = verifier.verify(&Part::Vek.put(&evidence, Some(bytes)), &bound(1)).unwrap();
        let [withheld] = &claims.withheld[..] else { panic!("{:?}", claims.withheld) };
        assert_eq!((withheld.claim, withheld.reason.as_str()), ("sev_snp.vek_certificate", reason));
        assert_eq!(claims.sev_snp.unwrap().vek_digest, vouchsafe_protocol::Digest32::of(&vek));
    }
    // Without the store the right one must be fetched.
    let Scene { verifier, .. } = scene(false);
    let missing =
        verifier.verify(&Part::Vek.put(&evidence, Some(b"garbage".to_vec())), &bound(1)).unwrap_err();
    assert!(matches!(missing, VerifyError::CollateralMissing { .. }), "{missing}");
    assert_eq!(missing, verifier.verify(&Part::Vek.put(&evidence, None), &bound(1)).unwrap_err());
    assert_eq!(snp.report.len(), 1184);
}

fn older_tcb() -> crate::snp::Tcb {
    crate::snp::Tcb { microcode: 1, ..SimulatedVm::new().report.reported_tcb }
}

#[test]
fn t17_the_hosts_certificate_of_this_chip_under_a_revoked_ca_is_refused() {
    let Scene { mut verifier, evidence, .. } = scene(true);
    let amd = FakeAmd::shared(Product::Genoa);
    let current = crate::test_util::ca::CrlSpec::current(UnixTime(NOW.0 - 60), NOW.plus(60));
    let revoking = current.revoking(&crate::test_util::snp::ASK_SERIAL.to_be_bytes());
    let issuers = [ISSUER.der().to_vec()];
    verifier.collateral = Collateral::new(&[amd.crl(&revoking)], &issuers).unwrap();
    let refused = verifier.verify(&evidence, &bound(1)).unwrap_err();
    assert_eq!(refused.name(), "vek-chain-revoked");
    // So it is where the store has it.
    let refused = verifier.verify(&Part::Vek.put(&evidence, None), &bound(1)).unwrap_err();
    assert_eq!(refused.name(), "vek-chain-revoked");
}
