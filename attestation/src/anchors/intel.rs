//! Intel's root for SGX and TDX, transcribed from the published certificate. Each quote contains it at the
//! end of its chain, where it must match byte for byte.

use vouchsafe_protocol::UnixTime;

use super::anchor::Anchor;
use super::hex::hex;
use super::purpose::Purpose;
use super::root::Root;

/// Intel SGX Root CA. Its CRL names PCK CAs and TCB signers; it is part of Intel's collateral.
pub(super) static SGX_ROOT_CA: Anchor = Anchor {
    name: "Intel SGX Root CA",
    root: Root::Intel,
    purposes: &[Purpose::IntelPck],
    product: None,
    issuer: None,
    subject: &hex::<106>(
        "\
        3068311a301806035504030c11496e74656c2053475820526f6f74204341311a3018060355040a0c11496e74\
        656c20436f72706f726174696f6e3114301206035504070c0b53616e746120436c617261310b300906035504\
        080c024341310b3009060355040613025553",
    ),
    spki: &hex::<91>(
        "\
        3059301306072a8648ce3d020106082a8648ce3d030107034200040ba9c4c0c0c86193a3fe23d6b02cda10a8\
        bbd4e88e48b4458561a36e705525f567918e2edc88e40d860bd0cc4ee26aacc988e505a953558c453f6b0904\
        ae7394",
    ),
    key_id: hex("22650cd65a9d3489f383b49552bf501b392706ac"),
    // 2018-05-21 to 2049-12-31.
    not_before: UnixTime(1_526_899_510),
    not_after: UnixTime(2_524_607_999),
    serial: &hex::<20>("22650cd65a9d3489f383b49552bf501b392706ac"),
    path_length: Some(1),
    crl_url: Some("https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"),
    sha256: hex("44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"),
    url: "https://certificates.trustedservices.intel.com/Intel_SGX_Provisioning_Certification_RootCA.cer",
};
