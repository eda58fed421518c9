//! The table compared with the published certificates, and what a file can add.

use std::collections::BTreeSet;

use super::*;
use crate::evidence;
use crate::test_util::ca::FakeCa;
use crate::test_util::ca::FakeGoogle;
use crate::test_util::ca::Scheme;
use crate::test_util::ca::encode;
use crate::x509::Certificate;

/// Where the evidence has the certificate of an anchor.
fn path(anchor: &Anchor) -> &'static str {
    match anchor.name {
        "ARK-Milan" => "snp/roots/milan_ark.der",
        "SEV-Milan" => "snp/roots/milan_ask.der",
        "SEV-VLEK-Milan" => "snp/roots/milan_asvk.der",
        "ARK-Genoa" => "snp/roots/genoa_ark.der",
        "SEV-Genoa" => "snp/roots/genoa_ask.der",
        "SEV-VLEK-Genoa" => "snp/roots/genoa_asvk.der",
        "ARK-Turin" => "snp/roots/turin_ark.der",
        "SEV-Turin" => "snp/roots/turin_ask.der",
        "SEV-VLEK-Turin" => "snp/roots/turin_asvk.der",
        "EK/AK CA Root" => "gce/vtpm/certs-ca/gcp_ek_ak_ca_root.crt",
        "EK/AK CA Intermediate (v3)" => "gce/vtpm/certs-ca/gcp_ek_ak_ca_intermediate_v3.crt",
        "EK/AK CA Intermediate (2024-02)" => "gce/vtpm/certs-ca/gcp_ek_ak_ca_intermediate_2024-02.crt",
        "EK/AK CA Intermediate (0f219d56)" => "field/google-ak-ca-0f219d56.der",
        "EK/AK CA Intermediate (67c3bbde)" => "field/google-ak-ca-67c3bbde.der",
        "tpm_ek_root_1" => "gce/vtpm/certs-ca/tpm_ek_root_1.cer",
        "tpm_ek_intermediate_2" => "gce/vtpm/certs-ca/tpm_ek_intermediate_2.crt",
        "tpm_ek_intermediate_3" => "gce/vtpm/certs-ca/tpm_ek_intermediate_3.crt",
        "Intel SGX Root CA" => "tdx/intel_sgx_root_ca.der",
        "Confidential Space Root CA" => "gce/gca-tokens/confidential-space-root-ca.pem",
        other => panic!("no evidence for {other}"),
    }
}

#[test]
fn every_anchor_equals_its_published_certificate() {
    for anchor in BUILTIN {
        let Some(bytes) = evidence::certificate(path(anchor)) else { return };
        let certificate = Certificate::parse(&bytes).unwrap();
        assert_eq!(Digest32::of(&bytes), Digest32(anchor.sha256), "{}", anchor.name);
        assert_eq!(certificate.subject(), anchor.subject, "{}", anchor.name);
        assert_eq!(certificate.spki(), anchor.spki, "{}", anchor.name);
        assert_eq!(certificate.key_id.as_deref(), Some(&anchor.key_id[..]), "{}", anchor.name);
        assert_eq!(certificate.serial(), anchor.serial, "{}", anchor.name);
        assert_eq!(certificate.not_before(), anchor.not_before, "{}", anchor.name);
        assert_eq!(certificate.not_after(), anchor.not_after, "{}", anchor.name);
        assert_eq!(certificate.path_length, anchor.path_length, "{}", anchor.name);
        assert!(certificate.is_ca(), "{}", anchor.name);
        // AMD's and Intel's roots name their own CRL; a root of Google names none.
        let urls: Vec<&str> = certificate.crl_urls.iter().map(String::as_str).collect();
        assert_eq!(urls, anchor.crl_url.into_iter().collect::<Vec<_>>(), "{}", anchor.name);
        let issuer = anchor.issuer.map_or(anchor.subject, |issuer| issuer.subject);
        assert_eq!(certificate.issuer(), issuer, "{}", anchor.name);
    }
}

#[test]
fn every_issuing_ca_is_signed_by_the_root_it_names() {
    for anchor in BUILTIN {
        let Some(bytes) = evidence::certificate(path(anchor)) else { return };
        let signed = crate::x509::der::Signed::parse(&bytes).unwrap();
        let issuer = anchor.issuer.map_or(anchor.spki, |issuer| issuer.spki);
        assert!(
            crate::x509::algorithms::verify(crate::x509::algorithms::ANY, issuer, &signed),
            "{}",
            anchor.name
        );
    }
}

#[test]
fn every_root_is_used_and_every_issuer_is_in_the_table() {
    let names: BTreeSet<&str> = BUILTIN.iter().map(|anchor| anchor.name).collect();
    assert_eq!(names.len(), BUILTIN.len(), "names are unique");
    let issuers: BTreeSet<&str> = BUILTIN.iter().filter_map(|anchor| Some(anchor.issuer?.name)).collect();
    // The chains of quotes and tokens come complete, so none of their issuing CAs is in the table.
    let whole = |anchor: &Anchor| matches!(anchor.purposes, [Purpose::ConfidentialSpace | Purpose::IntelPck]);
    let roots = BUILTIN.iter().filter(|anchor| anchor.issuer.is_none() && !whole(anchor));
    assert_eq!(roots.map(|root| root.name).collect::<BTreeSet<_>>(), issuers);
    for anchor in BUILTIN {
        assert!(!anchor.purposes.is_empty(), "{} serves nothing", anchor.name);
        if let Some(issuer) = anchor.issuer {
            assert_eq!((issuer.root, issuer.product), (anchor.root, anchor.product), "{}", anchor.name);
            assert!(
                anchor.purposes.iter().all(|purpose| issuer.purposes.contains(purpose)),
                "{}",
                anchor.name
            );
        }
    }
}

#[test]
fn each_purpose_has_its_own_anchors() {
    let anchors = TrustAnchors::builtin();
    let count = |purpose| anchors.serving(purpose).count();
    assert_eq!(count(Purpose::AmdVcek), 6);
    assert_eq!(count(Purpose::AmdVlek), 6);
    assert_eq!(count(Purpose::GoogleAk), 8);
    assert_eq!(count(Purpose::IntelPck), 1);
    assert_eq!(count(Purpose::ConfidentialSpace), 1);
    assert_eq!(count(Purpose::LaunchSigner), 0, "known by its digest only");
    assert!(anchors.serving(Purpose::GoogleAk).all(|ca| ca.root == Root::Google));
    assert!(anchors.serving(Purpose::AmdVlek).all(|ca| ca.root == Root::Amd && ca.product.is_some()));
}

#[test]
fn a_root_pinned_by_digest_is_an_anchor_once_its_certificate_is_there() {
    let ca = FakeCa::new(encode::name(&[("2.5.4.3", "Pinned")]), Scheme::Pkcs1Sha256);
    let (certificate, other) = (ca.self_signed(1), ca.self_signed(2));
    let pinned: &'static PinnedRoot =
        Box::leak(Box::new(PinnedRoot { sha256: Digest32::of(&certificate).0, ..google_cc_tcb() }));
    let builtin = TrustAnchors::builtin();
    let found = builtin.recognising_of(&[pinned], &[other.clone(), certificate.clone()]);
    let serving: Vec<_> = found.serving(Purpose::LaunchSigner).map(|ca| (ca.root, ca.sha256)).collect();
    assert_eq!(serving, [(Root::Google, Digest32::of(&certificate))]);
    assert_eq!(found.serving(Purpose::GoogleAk).count(), builtin.serving(Purpose::GoogleAk).count());
    assert!(found.extra_fingerprints().is_empty());
    assert_ne!(found.digest(), builtin.digest());
    // The same name and key, in another certificate: unknown.
    let unknown = builtin.recognising_of(&[pinned], &[other]);
    assert_eq!(unknown.digest(), builtin.digest());
    assert_eq!(builtin.recognising(&[certificate]).digest(), builtin.digest());
}

fn google_cc_tcb() -> PinnedRoot {
    let PinnedRoot { name, root, purposes, sha256, url } = *BY_DIGEST[0];
    PinnedRoot { name, root, purposes, sha256, url }
}

#[test]
fn t10_an_anchor_from_a_file_gives_the_root_extra_only() {
    let builtin = TrustAnchors::builtin();
    assert!(builtin.extra_fingerprints().is_empty());
    // Even AMD's own root, when it is given as a file, becomes an extra anchor, in addition to the one of the
    // table.
    let Some(ark) = evidence::certificate("snp/roots/genoa_ark.der") else { return };
    let anchors = builtin.with_extra(&ark).unwrap();
    assert_eq!(anchors.extra_fingerprints(), [Digest32::of(&ark)]);
    let added = anchors.serving(Purpose::GoogleAk).filter(|ca| ca.sha256 == Digest32::of(&ark));
    assert_eq!(added.map(|ca| ca.root).collect::<Vec<_>>(), [Root::Extra]);
    assert_ne!(anchors.digest(), builtin.digest());
}

#[test]
fn a_pem_file_adds_each_certificate_once() {
    let fake = FakeGoogle::new();
    let pem = |der: &[u8]| {
        use std::fmt::Write as _;
        let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
        let _ = writeln!(text, "{}", base64(der));
        text + "-----END CERTIFICATE-----\n"
    };
    let file = pem(fake.root_der()).repeat(2);
    let anchors = TrustAnchors::builtin().with_extra(file.as_bytes()).unwrap();
    assert_eq!(anchors.extra_fingerprints(), [Digest32::of(fake.root_der())]);
    assert_eq!(anchors.with_extra(fake.root_der()).unwrap().digest(), anchors.digest());
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for index in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * index)) as usize & 63];
            out.push(if index <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[test]
fn a_file_without_certificates_is_refused() {
    let refused = |file: &[u8]| TrustAnchors::builtin().with_extra(file).unwrap_err();
    assert_eq!(refused(b""), AnchorError::NoCertificate);
    assert_eq!(
        refused(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        AnchorError::NoCertificate
    );
    assert_eq!(
        refused(b"-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n"),
        AnchorError::Pem
    );
    assert_eq!(refused(&[0x30, 0x03, 0x02, 0x01, 0x00]), AnchorError::Malformed { index: 0 });
}

#[test]
fn an_anchor_must_be_a_self_signed_ca() {
    let fake = FakeGoogle::new();
    let refused = |file: &[u8]| TrustAnchors::builtin().with_extra(file).unwrap_err();
    assert_eq!(refused(fake.intermediate_der()), AnchorError::NotSelfIssued { index: 0 });

    let mut flipped = fake.root_der().to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    assert_eq!(refused(&flipped), AnchorError::Signature { index: 0 });

    let root = fake.root();
    let mut spec = root.ca_spec(root, 1);
    spec.extensions = vec![encode::basic_constraints(false, None)];
    assert_eq!(refused(&root.issue(&spec)), AnchorError::NotCa { index: 0 });
    spec.extensions = vec![encode::basic_constraints(true, None), encode::key_usage(0x80)];
    assert_eq!(refused(&root.issue(&spec)), AnchorError::NotCa { index: 0 });
}

#[test]
fn weak_roots_are_refused() {
    // Valid, except for an RSA key of 1024 bits, or for ECDSA with SHA-1.
    let short_key = ::hex::decode(
        "308201db30820144a00302010202140929d570395a928eebd0212d98bb6e9d947c7c91300d06092a864886f7\
         0d01010b0500300f310d300b06035504030c045765616b3020170d3236313132333133343530395a180f3231\
         3236313033303133343530395a300f310d300b06035504030c045765616b30819f300d06092a864886f70d01\
         0101050003818d0030818902818100a463817ccd48ec8a9c62c65f6bf717b58ad94d8ad43ff45b9a377604d8\
         73768bbd959f00747fbeb19cacee14492e4db036aa2e254e05a3a7377ec6d11de1332d48ab7ba8e533d8d9a0\
         3ba4291e04bcdd39cb8937f6288fb6cbf81505a1608aabd903faecf22558fc2e565c66b58d9b5bc87cf71092\
         37e6176ea45eab2022e8ab0203010001a3323030300f0603551d130101ff040530030101ff301d0603551d0e\
         04160414d7964923287ee52ef36a3c504cde6cdc9bc47052300d06092a864886f70d01010b05000381810078\
         4dddab8acf83ce22375d70f2f434005540e66d6a004f07fbe5d3dc65dd148635e1606ca1b17e9176d8f26271\
         cf2366aa4d2d8850c9b411dc92c76dfc39d610fc9f717a18727bfcf2190ae727042d91cf3baa182710b621e4\
         79dd2c0bc8b74be2bd9f597149771971329805332c968b4a705183bd7e1820c3996d0782f932f1",
    );
    let weak_hash = ::hex::decode(
        "308201513081f9a003020102021468537f49f2f4ec642a0f4afdbd5f59a1d2612682300906072a8648ce3d04\
         01300f310d300b06035504030c045765616b3020170d3236313132333133343530395a180f32313236313033\
         303133343530395a300f310d300b06035504030c045765616b3059301306072a8648ce3d020106082a8648ce\
         3d03010703420004fec08d432d92c77f6bf009589adf711625f357ec51b3cde93752037fa10902e356cdd3a3\
         4629d65919cb584ab3875826f6920fdc0bb394d4ef91354fc503b2a4a3323030300f0603551d130101ff0405\
         30030101ff301d0603551d0e04160414e39d967d92030955cd49ea242cc2fb2fc2c2fc3c300906072a8648ce\
         3d04010348003045022100a687110faf9d6d34cbf314ea99c2148f6841f1272f58961aad6e103296c4276702\
         201db74143560bec7a58d3902218dc0ce92ee2cc2ce7c4b014e7539c3ae1d5aa26",
    );
    for root in [short_key.unwrap(), weak_hash.unwrap()] {
        assert!(Certificate::parse(&root).unwrap().is_ca());
        let refused = TrustAnchors::builtin().with_extra(&root).unwrap_err();
        assert_eq!(refused, AnchorError::Signature { index: 0 });
    }
}

#[test]
fn more_anchors_than_anyone_needs_are_refused() {
    let ca = FakeCa::new(encode::name(&[("2.5.4.3", "Many")]), Scheme::Pkcs1Sha256);
    let mut anchors = TrustAnchors::builtin();
    for serial in 1..=32 {
        anchors = anchors.with_extra(&ca.self_signed(serial)).unwrap();
    }
    let refused = anchors.with_extra(&ca.self_signed(33)).unwrap_err();
    assert_eq!(refused, AnchorError::TooMany { found: 33, limit: 32 });
}

#[test]
fn no_anchor_file_makes_the_reader_panic() {
    let fake = FakeGoogle::new();
    for length in 0..fake.root_der().len() {
        let truncated = TrustAnchors::builtin().with_extra(&fake.root_der()[..length]);
        assert!(truncated.is_err(), "{length} bytes");
    }
}
