//! Google's real certificates and CRLs.

use super::*;

#[test]
fn captured_google_certificates_chain_to_google() {
    for name in ["pca_tpm_rsa_sign_cert.pem", "uca_tpm_rsa_sign_cert.pem", "uca_tpm_ecc_sign_cert.pem"] {
        let Some(leaf) = google_leaf(name) else { return };
        let chain = verify_builtin(&leaf, &[], NOW).unwrap();
        assert_eq!(chain.root(), Root::Google, "{name}");
        assert_eq!(chain.revocation(), Revocation::Absent, "{name}");
        assert_eq!(chain.leaf_digest(), Digest32::of(&leaf), "{name}");
        assert_eq!(chain.not_after(), chain.leaf().not_after(), "{name}");
        assert!(chain.leaf().key_usage().unwrap().digital_signature(), "{name}");
    }
}

#[test]
fn each_leaf_verifies_only_with_its_own_intermediate() {
    // Only roots as anchors, so the intermediate must come with the leaf.
    let cases = [
        ("uca_tpm_ecc_sign_cert.pem", "tpm_ek_root_1.cer", "tpm_ek_intermediate_3.crt", true),
        ("uca_tpm_ecc_sign_cert.pem", "tpm_ek_root_1.cer", "tpm_ek_intermediate_2.crt", false),
        ("uca_tpm_rsa_sign_cert.pem", "tpm_ek_root_1.cer", "tpm_ek_intermediate_3.crt", true),
        ("uca_tpm_rsa_sign_cert.pem", "tpm_ek_root_1.cer", "tpm_ek_intermediate_2.crt", false),
        ("pca_tpm_rsa_sign_cert.pem", "gcp_ek_ak_ca_root.crt", "gcp_ek_ak_ca_intermediate_v3.crt", true),
        ("pca_tpm_rsa_sign_cert.pem", "tpm_ek_root_1.cer", "gcp_ek_ak_ca_intermediate_v3.crt", false),
        ("pca_tpm_rsa_sign_cert.pem", "gcp_ek_ak_ca_root.crt", "tpm_ek_intermediate_3.crt", false),
    ];
    let nothing = TrustAnchors::none();
    for (leaf, root, intermediate, accepted) in cases {
        let (Some(leaf_der), Some(root), Some(ca)) =
            (google_leaf(leaf), google_ca(root), google_ca(intermediate))
        else {
            return;
        };
        let outcome = verify_chain(&ChainRequest {
            leaf: &leaf_der,
            certificates: &[ca],
            purpose: Purpose::GoogleAk,
            anchors: &nothing.with_extra(&root).unwrap(),
            collateral: &Collateral::empty(),
            now: NOW,
        });
        if accepted {
            assert_eq!(outcome.unwrap().root(), Root::Extra, "{leaf} through {intermediate}");
        } else {
            assert_eq!(outcome.unwrap_err(), ChainError::UnknownIssuer, "{leaf} through {intermediate}");
        }
    }
}

#[test]
fn the_captured_crl_counts_while_it_is_current() {
    let Some(leaf) = google_leaf("pca_tpm_rsa_sign_cert.pem") else { return };
    let Some(crl) = evidence::read("gce/vtpm/crl/ek_ak_ca_root-2024-05-07.crl") else { return };
    let collateral = Collateral::new(&[crl], &[]).unwrap();
    let revocation = |now| {
        let anchors = TrustAnchors::builtin();
        let request = ChainRequest {
            leaf: &leaf,
            certificates: &[],
            purpose: Purpose::GoogleAk,
            anchors: &anchors,
            collateral: &collateral,
            now: UnixTime(now),
        };
        verify_chain(&request).unwrap().revocation()
    };
    // 2024-05-07T00:51:04Z to 2024-05-14T00:51:04Z.
    assert_eq!(revocation(1_715_043_064), Revocation::Fresh);
    assert_eq!(revocation(1_715_647_863), Revocation::Fresh);
    assert_eq!(revocation(1_715_647_864), Revocation::Stale);
    assert_eq!(revocation(1_715_043_063), Revocation::Stale);
}
