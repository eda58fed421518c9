//! Writes the corpora: `cargo test -p vouchsafe-fuzz-targets -- --ignored`. Everything comes from the builders.

mod seeds;

use seeds::write;
use vouchsafe_attestation::Technology;
use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::test_util::ca::{AkCertificateSpec, CrlSpec};
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_attestation::test_util::event_log::userspace::UserspaceBuilder;
use vouchsafe_attestation::test_util::snp::SnpReportBuilder;
use vouchsafe_attestation::test_util::tdx::{CollateralSpec, FakeIntel, TdxQuoteBuilder};
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm, shared_google};
use vouchsafe_fuzz_targets::Verification;
use vouchsafe_guest_client::luks::fake;
use vouchsafe_protocol::bundle::{Bundle, BundleFormat, BundleItem, CollateralKind};
use vouchsafe_protocol::messages::{ChallengeAnswer, ReleaseRequest, VolumeRequest};
use vouchsafe_protocol::{
    BoundRequest, BrokerIdentity, Bytes, Digest32, Evidence, GuestKey, IdentityKey, LATCH_WORD, Nonce,
    ReleasePaths, SecretPath, Suite, UnixTime, VolumeAction, VolumeHeaders, challenge::ChallengeKey,
};
use zeroize::Zeroizing;

const NOW: UnixTime = UnixTime(1_771_500_000);
const KINDS: [(&str, Kinds); 3] = [("vtpm", Kinds::VTPM), ("snp", Kinds::REPORT), ("both", Kinds::BOTH)];

fn small_vm() -> SimulatedVm {
    let mut log = EventLogBuilder::gce_ubuntu(Technology::SevSnp);
    // Large variables make a fuzzer slow and cover no new code.
    for name in ["PK", "KEK", "db", "dbx"] {
        let value = log.variable_mut(name);
        let short = value.data.len().min(120);
        let data = value.data[..short].to_vec();
        value.set(shorten(data));
    }
    SimulatedVm::booted(&AkCertificateSpec::default(), &log)
}

/// Corrects the length of a cut UEFI variable: at offset 24 the size of the data.
fn shorten(mut data: Vec<u8>) -> Vec<u8> {
    let name = 2 * usize::try_from(u64::from_le_bytes(data[16..24].try_into().unwrap())).unwrap();
    let size = (data.len() - 32 - name) as u64;
    data[24..32].copy_from_slice(&size.to_le_bytes());
    data
}

fn verification(vm: &SimulatedVm, kinds: Kinds) -> Verification {
    let key = GuestKey::generate(Suite::X25519);
    let paths = ReleasePaths::new(vec![SecretPath::parse("prod/db-01/disk").unwrap()]).unwrap();
    let (broker, nonce) = (BrokerIdentity([1; 32]), Nonce([2; 32]));
    let bound = BoundRequest::release(&broker, nonce, key.public().clone(), &paths);
    let crl = shared_google().root_crl(&CrlSpec::current(UnixTime(NOW.0 - 60), NOW.plus(86_400)));
    Verification {
        anchors: vec![shared_google().root_der().into(), vm.amd.ark_der().into()],
        crls: vec![Bytes(crl)],
        now: NOW,
        broker,
        nonce,
        suite: Suite::X25519,
        public_key: key.public().as_bytes().into(),
        paths,
        evidence: vm.evidence(kinds, &bound),
    }
}

#[test]
#[ignore = "writes the corpora that replay.rs runs over"]
fn write_corpora() {
    let vm = small_vm();
    for (name, kinds) in KINDS {
        let input = verification(&vm, kinds);
        input.run().expect("readable").expect("accepted");
        write("verify", name, &serde_json::to_vec(&input).unwrap());
        write_requests(name, &input);
        if let Some(vtpm) = &input.evidence.vtpm {
            write("tpms_attest", name, &vtpm.quote);
            write("tpmt_signature", name, &vtpm.signature);
            write("go_tpm_tools", name, &protobuf(vtpm));
        }
    }
    write_logs();
    for product in [Product::Milan, Product::Genoa, Product::Turin] {
        let report = SnpReportBuilder::new(product).sign_report(vm.amd);
        write("snp_report", &format!("{product:?}").to_lowercase(), &report);
    }
    for (name, is_production) in [("production", Some(true)), ("development", Some(false)), ("unknown", None)]
    {
        let spec = AkCertificateSpec { is_production, ..AkCertificateSpec::default() };
        write("instance_info", name, &spec.encode_instance_info());
    }
    write_tables(&vm);
    write_bundles(&vm);
    write_tdx();
}

fn write_bundles(vm: &SimulatedVm) {
    let key = IdentityKey::from_seed(&Zeroizing::new([1; 32])).unwrap();
    let crl = shared_google().root_crl(&CrlSpec::current(UnixTime(NOW.0 - 60), NOW.plus(86_400)));
    let item = |kind, subject: &str, content: &[u8]| {
        BundleItem::new(kind, subject.to_owned(), "import".to_owned(), NOW, content.to_vec())
    };
    let items = vec![
        item(CollateralKind::Crl, "", &crl),
        item(CollateralKind::Certificate, "", vm.vek_certificate.as_ref().unwrap()),
        item(CollateralKind::TokenKeys, "google", b"{\"keys\":[]}"),
        item(CollateralKind::LaunchEndorsement, &"07".repeat(48), &[7; 48]),
    ];
    for (name, format, items) in [
        ("exported", BundleFormat::Exported, items.clone()),
        ("kept", BundleFormat::Kept, items.into_iter().skip(2).take(1).collect()),
        ("empty", BundleFormat::Exported, vec![]),
    ] {
        write(
            "collateral_bundle",
            name,
            &serde_json::to_vec(&Bundle::sign(&key, format, NOW, items)).unwrap(),
        );
    }
}

/// Quotes of both versions, padded and not, and collateral.
#[test]
#[ignore = "writes the corpora that replay.rs runs over"]
fn write_tdx() {
    let intel = FakeIntel::shared();
    write("tdx_quote", "version-4", &TdxQuoteBuilder::new().sign(intel));
    let builder = TdxQuoteBuilder { padding: Vec::new(), ..TdxQuoteBuilder::version_5() };
    write("tdx_quote", "version-5", &builder.sign(intel));
    let spec = CollateralSpec::current(UnixTime(NOW.0 - 60), NOW.plus(86_400));
    write("tdx_collateral", "collateral", &serde_json::to_vec(&intel.collateral(&spec)).unwrap());
}

fn write_requests(name: &str, input: &Verification) {
    let challenge = ChallengeKey::new(&[3; 32]).issue(&input.broker, input.nonce, NOW, 60);
    write("challenge", "challenge", &serde_json::to_vec(&challenge).unwrap());
    let answer = ChallengeAnswer { challenge: challenge.clone(), identity: input.broker };
    write("challenge", "answer", &serde_json::to_vec(&answer).unwrap());
    write("evidence_json", name, &serde_json::to_vec(&input.evidence).unwrap());
    write("evidence_json", "empty", &serde_json::to_vec(&Evidence::default()).unwrap());
    let digest = Digest32::of(b"header");
    let request = ReleaseRequest {
        challenge,
        suite: input.suite,
        public_key: input.public_key.clone(),
        paths: input.paths.clone(),
        headers: VolumeHeaders::new(input.paths.as_slice().iter().map(|path| (path.clone(), digest)))
            .unwrap(),
        evidence: input.evidence.clone(),
    };
    write("evidence_json", &format!("request-{name}"), &serde_json::to_vec(&request).unwrap());
    let path = input.paths.as_slice()[0].clone();
    let request = VolumeRequest {
        challenge: request.challenge,
        suite: input.suite,
        public_key: input.public_key.clone(),
        action: VolumeAction::AdvanceVolume { path, from: digest, to: digest },
        evidence: input.evidence.clone(),
    };
    write("evidence_json", &format!("volume-{name}"), &serde_json::to_vec(&request).unwrap());
}

fn write_logs() {
    let initrd = UserspaceBuilder::initrd_262();
    for (name, log) in [
        ("initrd", initrd.clone()),
        ("nv-pcrs", UserspaceBuilder::initrd_262_with(&["verity", "hardware"])),
        ("booted", initrd.clone().then(UserspaceBuilder::after_switch_root())),
        ("latched", initrd.word(15, LATCH_WORD)),
        ("others", UserspaceBuilder::new().nv_index("product-id:missing").secret(15, "volume", b"key")),
    ] {
        write("userspace_log", name, &log.log());
    }
    for (name, log) in [
        ("ubuntu", EventLogBuilder::gce_ubuntu(Technology::SevSnp)),
        ("ubuntu-secure-boot-off", EventLogBuilder::gce_ubuntu(Technology::Sev).with_secure_boot(false)),
        ("uki", EventLogBuilder::gce_uki(Technology::Tdx)),
        ("uki-text", EventLogBuilder::gce_uki(Technology::Tdx).with_stub_command_line_text()),
    ] {
        write("event_log", name, &log.bytes());
    }
    for (name, log) in [
        ("ubuntu", EventLogBuilder::ccel_ubuntu()),
        ("ubuntu-secure-boot-off", EventLogBuilder::ccel_ubuntu().with_secure_boot(false)),
        ("uki", EventLogBuilder::ccel_uki()),
        ("uki-padded", EventLogBuilder { padding: 64, ..EventLogBuilder::ccel_uki() }),
    ] {
        write("ccel", name, &log.bytes());
    }
}

/// AMD's certificate table: entries of GUID, offset and length, a zero entry, then the certificates.
fn write_tables(vm: &SimulatedVm) {
    let vcek = vm.vek_certificate.as_ref().unwrap();
    let guid = 0x63da_758d_e664_4564_adc5_f4b9_3be8_accd_u128.to_be_bytes();
    let mut table = guid.to_vec();
    table.extend(48_u32.to_le_bytes());
    table.extend(u32::try_from(vcek.len()).unwrap().to_le_bytes());
    table.extend([0; 24]);
    write("certificate_table", "empty", &table[24..48]);
    table.extend(vcek);
    write("certificate_table", "vcek", &table);
}

/// Metadata of a LUKS2 volume, and the header with it.
#[test]
#[ignore = "writes the corpora that replay.rs runs over"]
fn write_luks() {
    write("luks_header", "metadata", fake::JSON.as_bytes());
    write("luks_header", "header", &fake::metadata(fake::JSON.as_bytes()));
}

/// go-tpm-tools' `Attestation` by hand: field 2 the quote, 3 the log, 6 the certificate, 7 its issuers.
fn protobuf(vtpm: &vouchsafe_protocol::VtpmEvidence) -> Vec<u8> {
    let mut pcrs = vec![8, 11]; // hash = SHA-256
    for (index, value) in &vtpm.pcrs {
        let entry = [vec![8, *index], bytes(2, &value.0)].concat();
        pcrs.extend(bytes(2, &entry));
    }
    let quote = [bytes(1, &vtpm.quote), bytes(2, &vtpm.signature), bytes(3, &pcrs)].concat();
    let mut message = [bytes(2, &quote), bytes(3, &vtpm.event_log), bytes(6, &vtpm.ak_certificate)].concat();
    for issuer in &vtpm.ca_certificates {
        message.extend(bytes(7, issuer));
    }
    message
}

fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
    let mut encoded = vec![field << 3 | 2];
    let mut length = value.len();
    while length >= 0x80 {
        encoded.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    encoded.push(length as u8);
    encoded.extend(value);
    encoded
}
