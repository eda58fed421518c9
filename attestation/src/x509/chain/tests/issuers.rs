//! Issuers: key usage, path lengths, namesakes, and the purpose of an anchor.

use super::*;

impl Setup {
    /// The fake intermediate with other extensions, sent with the leaf.
    fn replace_intermediate(&mut self, extensions: Vec<Vec<u8>>) {
        let root = self.google.root();
        let mut spec = root.ca_spec(self.google.intermediate(), 9);
        spec.extensions = extensions;
        self.certificates = vec![root.issue(&spec)];
    }
}

#[test]
fn an_intermediate_without_the_usage_to_sign_certificates_is_refused() {
    let mut setup = Setup::new();
    // digitalSignature and cRLSign.
    setup.replace_intermediate(vec![encode::basic_constraints(true, None), encode::key_usage(0x82)]);
    assert_eq!(setup.verify().unwrap_err(), ChainError::IssuerConstraint);
    setup.replace_intermediate(vec![encode::basic_constraints(true, None)]);
    assert!(setup.verify().is_ok());
}

#[test]
fn t02_an_attestation_key_cannot_issue_another() {
    // The intermediate's key, certified as an AK or without a statement of its use.
    let mut setup = Setup::new();
    for extensions in
        [vec![encode::basic_constraints(false, None), encode::key_usage(0x80)], vec![encode::key_usage(0x04)]]
    {
        setup.replace_intermediate(extensions);
        assert_eq!(setup.verify().unwrap_err(), ChainError::IssuerConstraint);
    }
}

#[test]
fn an_intermediate_is_no_leaf() {
    let mut setup = Setup::new();
    setup.certificates.clear();
    let intermediate = setup.google.intermediate_der().to_vec();
    assert_eq!(setup.verify_leaf(&intermediate).unwrap_err(), ChainError::LeafIsCa);
    let root = setup.google.root_der().to_vec();
    assert_eq!(setup.verify_leaf(&root).unwrap_err(), ChainError::LeafIsCa);
    let Some(real) = google_ca("gcp_ek_ak_ca_intermediate_v3.crt") else { return };
    assert_eq!(verify_builtin(&real, &[], NOW).unwrap_err(), ChainError::LeafIsCa);
}

#[test]
fn a_path_length_of_zero_holds_for_intermediates() {
    let mut setup = Setup::new();
    let middle = FakeCa::new(encode::name(&[("2.5.4.3", "Middle")]), Scheme::Pkcs1Sha256);
    let below = middle.issue(&middle.ca_spec(setup.google.intermediate(), 21));
    let mut verify = |length| {
        let root = setup.google.root();
        let mut spec = root.ca_spec(&middle, 20);
        spec.extensions = vec![encode::basic_constraints(true, length), encode::key_usage(0x04)];
        setup.certificates = vec![below.clone(), root.issue(&spec)];
        setup.verify()
    };
    assert!(verify(None).is_ok());
    assert!(verify(Some(1)).is_ok());
    assert_eq!(verify(Some(0)).unwrap_err(), ChainError::IssuerConstraint);
}

#[test]
fn the_issuer_is_found_among_others_of_its_name() {
    // Like Google's two intermediates: one name, two keys, and one that has expired.
    let mut setup = Setup::new();
    let (root, intermediate) = (setup.google.root(), setup.google.intermediate());
    let namesake = FakeCa::new(intermediate.name().to_vec(), Scheme::Pkcs1Sha256);
    let mut expired = root.ca_spec(intermediate, 10);
    expired.not_after = UnixTime(NOW.0 - 1);
    let others = [root.issue(&root.ca_spec(&namesake, 11)), root.issue(&expired)];
    let own = setup.google.intermediate_der().to_vec();
    setup.certificates = [others.to_vec(), vec![own.clone()]].concat();
    assert!(setup.verify().is_ok());
    setup.certificates = [vec![own.clone()], others.to_vec()].concat();
    assert!(setup.verify().is_ok());
    setup.certificates = [vec![own.clone(), own], others.to_vec()].concat();
    assert!(setup.verify().is_ok());
}

#[test]
fn t10_a_namesake_of_googles_or_amds_in_a_file_is_extra() {
    let names = [
        ("gce/vtpm/certs-ca/gcp_ek_ak_ca_root.crt", Purpose::GoogleAk, Scheme::Pkcs1Sha256),
        ("gce/vtpm/certs-ca/gcp_ek_ak_ca_intermediate_v3.crt", Purpose::GoogleAk, Scheme::Pkcs1Sha256),
        ("snp/roots/genoa_ark.der", Purpose::AmdVcek, Scheme::PssSha384),
        ("snp/roots/genoa_ask.der", Purpose::AmdVcek, Scheme::PssSha384ShortForm),
    ];
    for (path, purpose, scheme) in names {
        let Some(real) = evidence::certificate(path) else { return };
        let namesake = FakeCa::new(Certificate::parse(&real).unwrap().subject().to_vec(), scheme);
        let own = namesake.self_signed(1);
        let anchors = TrustAnchors::builtin().with_extra(&own).unwrap();
        let leaf = bogus_leaf(&namesake);
        // Also together with the certificate whose name it has.
        for certificates in [vec![], vec![real.clone()], vec![real.clone(), own.clone()]] {
            let setup = Setup { certificates, purpose, ..Setup::new() };
            let chain = setup.verify_with(&leaf, &anchors, &Collateral::empty()).unwrap();
            assert_eq!((chain.root(), chain.product()), (Root::Extra, None), "{path}");
            assert_eq!(chain.anchor(), Digest32::of(&own), "{path}");
        }
    }
}

#[test]
fn t10_the_real_chain_keeps_its_root_beside_namesakes() {
    let Some(leaf) = google_leaf("pca_tpm_rsa_sign_cert.pem") else { return };
    let Some(real) = google_ca("gcp_ek_ak_ca_intermediate_v3.crt") else { return };
    let namesake = FakeCa::new(Certificate::parse(&real).unwrap().subject().to_vec(), Scheme::Pkcs1Sha256);
    let own = namesake.self_signed(1);
    let anchors = TrustAnchors::builtin().with_extra(&own).unwrap();
    let setup = Setup { certificates: vec![own, real], ..Setup::new() };
    let chain = setup.verify_with(&leaf, &anchors, &Collateral::empty()).unwrap();
    assert_eq!(chain.root(), Root::Google);
}

#[test]
fn an_anchor_of_one_purpose_serves_no_other() {
    let Some(leaf) = evidence::read("snp/reports/genoa_v5_attestationrs.vcek.der") else { return };
    let Some(google) = google_leaf("pca_tpm_rsa_sign_cert.pem") else { return };
    let verify = |leaf: &[u8], purpose| {
        let setup = Setup { certificates: vec![], purpose, now: UnixTime(1_771_500_000), ..Setup::new() };
        setup.verify_with(leaf, &TrustAnchors::builtin(), &Collateral::empty())
    };
    assert_eq!(verify(&leaf, Purpose::AmdVcek).unwrap().root(), Root::Amd);
    assert_eq!(verify(&leaf, Purpose::AmdVlek).unwrap_err(), ChainError::UnknownIssuer);
    assert_eq!(verify(&leaf, Purpose::GoogleAk).unwrap_err(), ChainError::UnknownIssuer);
    assert_eq!(verify(&google, Purpose::AmdVcek).unwrap_err(), ChainError::UnknownIssuer);
}
