//! Collateral of the fake Intel: TCB info, QE identity, and the CRLs of root and PCK CA.

use std::time::Duration;

use der::DateTime;
use serde_json::Value;
use serde_json::json;
use vouchsafe_protocol::UnixTime;

use super::CPU_SVN;
use super::FMSPC;
use super::FakeIntel;
use super::PCE_SVN;
use super::quote::QE_ISV_SVN;
use super::quote::QE_MR_SIGNER;
use super::quote::TEE_TCB_SVN;
use super::quote::TEE_TCB_SVN_OLD;
use crate::tdx::TdxCollateral;
use crate::test_util::ca::CrlSpec;
use crate::test_util::ca::FakeCa;
use crate::test_util::ca::Scheme;
use crate::test_util::ca::encode;

/// The content of collateral; [`CollateralSpec::current`] makes a valid one.
#[derive(Clone, Debug)]
pub struct CollateralSpec {
    /// TCB info.
    pub tcb_info: Value,
    /// QE identity.
    pub qe_identity: Value,
    /// CRL of the root.
    pub root_crl: CrlSpec,
    /// CRL of the PCK CA.
    pub pck_crl: CrlSpec,
    /// Validity of the signer's certificate; `None`: that of every fake CA.
    pub signer_validity: Option<(UnixTime, UnixTime)>,
    /// A certificate (DER) to sign with, instead of the TCB signer's.
    pub signer_certificate: Option<Vec<u8>>,
}

impl CollateralSpec {
    /// Collateral that is current between two times: with the default quote the TCB is up to date.
    #[must_use]
    pub fn current(issued: UnixTime, next_update: UnixTime) -> Self {
        Self {
            tcb_info: tcb_info(issued, next_update),
            qe_identity: qe_identity(issued, next_update),
            root_crl: CrlSpec::current(issued, next_update),
            pck_crl: CrlSpec::current(issued, next_update),
            signer_validity: None,
            signer_certificate: None,
        }
    }

    pub(super) fn sign(&self, intel: &FakeIntel) -> TdxCollateral {
        let signer = self.signer_certificate.clone().unwrap_or_else(|| self.signer(intel));
        let root = encode::pem(intel.root_der());
        let signer_chain = encode::pem(&signer) + &root;
        let (tcb_info, qe_identity) = (self.tcb_info.to_string(), self.qe_identity.to_string());
        let sign = |text: &str| raw_signature(&intel.tcb_signer, text.as_bytes());
        TdxCollateral {
            pck_crl_issuer_chain: encode::pem(&intel.platform_ca_der) + &root,
            root_ca_crl: intel.root.crl(&self.root_crl),
            pck_crl: intel.platform_ca.crl(&self.pck_crl),
            tcb_info_issuer_chain: signer_chain.clone(),
            tcb_info_signature: sign(&tcb_info),
            tcb_info,
            qe_identity_issuer_chain: signer_chain,
            qe_identity_signature: sign(&qe_identity),
            qe_identity,
        }
    }

    fn signer(&self, intel: &FakeIntel) -> Vec<u8> {
        let Some((not_before, not_after)) = self.signer_validity else {
            return intel.tcb_signer_der.clone();
        };
        let mut spec = intel.root.ca_spec(&intel.tcb_signer, super::SIGNER_SERIAL);
        spec.extensions = super::leaf();
        (spec.not_before, spec.not_after) = (not_before, not_after);
        intel.root.issue(&spec)
    }
}

/// A date in Intel's form: `2025-06-19T10:16:03Z`.
#[must_use]
pub(super) fn date(at: UnixTime) -> String {
    DateTime::from_unix_duration(Duration::from_secs(at.0)).expect("before 9999").to_string()
}

/// R then S over a message, by a CA's key.
fn raw_signature(ca: &FakeCa, message: &[u8]) -> Vec<u8> {
    use aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    use aws_lc_rs::signature::EcdsaKeyPair;
    assert_eq!(ca.scheme(), Scheme::EcdsaSha256, "Intel signs with ECDSA");
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &ca.to_pkcs8());
    super::sign(&key.expect("a P-256 key"), message)
}

/// Intel PCS API v4, TDX TCB info version 3: two platform levels, two levels of TDX module 1.
fn tcb_info(issued: UnixTime, next_update: UnixTime) -> Value {
    let zeros = "0".repeat(96);
    let svns = |svns: [u8; 16]| svns.map(|svn| json!({ "svn": svn }));
    let level = |cpu: [u8; 16], tee: [u8; 16], pce: u8, date: &str, status: &str, advisories: &[&str]| {
        json!({
            "tcb": {
                "sgxtcbcomponents": svns(cpu),
                "pcesvn": pce,
                "tdxtcbcomponents": svns(tee),
            },
            "tcbDate": date,
            "tcbStatus": status,
            "advisoryIDs": advisories,
        })
    };
    let mut old = CPU_SVN;
    old[0] -= 1;
    let module = |isvsvn: u8, date: &str, status: &str, advisories: &[&str]| json!({ "tcb": { "isvsvn": isvsvn }, "tcbDate": date, "tcbStatus": status, "advisoryIDs": advisories });
    json!({
        "id": "TDX",
        "version": 3,
        "issueDate": date(issued),
        "nextUpdate": date(next_update),
        "fmspc": hex::encode_upper(FMSPC),
        "pceId": "0000",
        "tcbType": 0,
        "tcbEvaluationDataNumber": 17,
        "tdxModule": { "mrsigner": zeros, "attributes": "0".repeat(16), "attributesMask": "F".repeat(16) },
        "tdxModuleIdentities": [{
            "id": "TDX_01",
            "mrsigner": zeros,
            "attributes": "0".repeat(16),
            "attributesMask": "F".repeat(16),
            "tcbLevels": [
                module(TEE_TCB_SVN[0], "2024-11-13T00:00:00Z", "UpToDate", &[]),
                module(TEE_TCB_SVN_OLD[0], "2024-03-13T00:00:00Z", "OutOfDate", &["INTEL-SA-01036"]),
            ],
        }],
        "tcbLevels": [
            level(CPU_SVN, TEE_TCB_SVN, PCE_SVN, "2024-11-13T00:00:00Z", "UpToDate", &[]),
            level(old, TEE_TCB_SVN, PCE_SVN, "2023-02-15T00:00:00Z", "OutOfDate", &["INTEL-SA-00837"]),
        ],
    })
}

/// Intel PCS API v4, QE identity version 2 of the TD quoting enclave.
fn qe_identity(issued: UnixTime, next_update: UnixTime) -> Value {
    json!({
        "id": "TD_QE",
        "version": 2,
        "issueDate": date(issued),
        "nextUpdate": date(next_update),
        "tcbEvaluationDataNumber": 17,
        "miscselect": "00000000",
        "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": hex::encode_upper(QE_MR_SIGNER),
        "isvprodid": 2,
        "tcbLevels": [
            { "tcb": { "isvsvn": QE_ISV_SVN }, "tcbDate": "2024-03-13T00:00:00Z", "tcbStatus": "UpToDate" },
            {
                "tcb": { "isvsvn": QE_ISV_SVN - 1 },
                "tcbDate": "2022-03-13T00:00:00Z",
                "tcbStatus": "OutOfDate",
                "advisoryIDs": ["INTEL-SA-00615"],
            },
        ],
    })
}
