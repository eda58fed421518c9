//! Names of refusals by dcap-qvl, held against its texts: the oracle is a table of English substrings, as they are in 0.7.1.
//!
//! Every test of a quote with collateral passes through [`compare`], so that each name is compared for each refusal at hand.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::tdx::appraisal::ask;
use crate::tdx::appraisal::check;
use crate::tdx::appraisal::issuers;
use crate::tdx::refusal::Refused;
use crate::x509::Certificate;

/// Runs dcap-qvl on the quote if all checks before it pass. Its error, if any, must have the reason that its
/// text stands for.
pub(super) fn compare(quote: &[u8], collateral: &TdxCollateral, now: UnixTime) -> Option<String> {
    let quote = Quote::parse(quote).ok()?;
    let pck = PckChain::parse(quote.pck_chain).ok()?;
    let [ca, root] = issuers(&pck).ok()?;
    check(&pck.platform, [&ca, &root], collateral, now).ok()?;
    let text = ask(&quote, &pck, collateral, now).err()?;
    let refused = Refused { quote: &quote, pck: &pck, root: &root, collateral, now };
    assert_eq!(refused.reason(text.clone()), named(&text, collateral, now), "{text}");
    Some(text)
}

/// The refusal for an error text. A text has the causes after their effects, separated by colons.
fn named(text: &str, collateral: &TdxCollateral, now: UnixTime) -> TdxError {
    let known = TEXTS.iter().find(|(needles, _)| needles.iter().all(|needle| text.contains(needle)));
    match known.map(|(_, meaning)| meaning) {
        Some(Meaning::Is(error)) => error.clone(),
        Some(Meaning::SignerDates) => signer_dates(collateral, now).unwrap_or_else(|| other(text)),
        Some(Meaning::ShortSignature) => {
            let is_short = collateral.tcb_info_signature.len() < 32;
            let part = if is_short { CollateralPart::TcbInfo } else { CollateralPart::QeIdentity };
            TdxError::CollateralSignature { part }
        }
        None => other(text),
    }
}

fn other(text: &str) -> TdxError {
    TdxError::Other { reason: text.to_owned() }
}

/// The signer whose certificate is not valid now: the platform's own chain has already been verified.
fn signer_dates(collateral: &TdxCollateral, now: UnixTime) -> Option<TdxError> {
    let signers = [
        (CollateralPart::TcbInfoSigner, &collateral.tcb_info_issuer_chain),
        (CollateralPart::QeIdentitySigner, &collateral.qe_identity_issuer_chain),
    ];
    for (part, pem) in signers {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = Certificate::parse(&certificate.ok()?)?;
            if now < certificate.not_before() {
                return Some(TdxError::CollateralNotYetValid { part, from: certificate.not_before() });
            }
            if certificate.not_after() < now {
                return Some(TdxError::CollateralExpired { part, until: certificate.not_after() });
            }
        }
    }
    None
}

enum Meaning {
    Is(TdxError),
    /// A certificate is not valid now; the text does not say which.
    SignerDates,
    /// A signature is too short to be split into R and S; the text does not say which.
    ShortSignature,
}

const fn signature(part: CollateralPart) -> Meaning {
    Meaning::Is(TdxError::CollateralSignature { part })
}

const fn malformed(part: CollateralPart) -> Meaning {
    Meaning::Is(TdxError::CollateralMalformed { part })
}

/// Texts that must all occur in an error, and its meaning. The first match counts.
static TEXTS: [(&[&str], Meaning); 32] = {
    use CollateralPart as Part;
    use Meaning::Is;
    use TdxError as E;
    [
        // CRLs and chains: webpki's names.
        (&["root CA CRL", "Signature"], signature(Part::RootCrl)),
        (&["root CA CRL"], malformed(Part::RootCrl)),
        (&["Failed to parse PCK CRL"], malformed(Part::PckCrl)),
        (&["CertRevoked"], Is(E::Revoked)),
        (&["UnknownRevocationStatus"], Is(E::CrlMissing { part: Part::PckCrl })),
        (&["InvalidCrlSignatureForPublicKey"], signature(Part::PckCrl)),
        (&["UnsupportedCrlSignatureAlgorithm"], signature(Part::PckCrl)),
        (&["CertExpired"], Meaning::SignerDates),
        (&["CertNotValidYet"], Meaning::SignerDates),
        (&["Failed to verify certificate chain"], Is(E::SignerUntrusted)),
        (&["Too many intermediate certificates"], Is(E::SignerUntrusted)),
        (&["must be issued directly by the root CA"], Is(E::SignerUntrusted)),
        (&["Certificate chain is too short"], Is(E::SignerUntrusted)),
        (&["Failed to parse certs"], Is(E::SignerUntrusted)),
        (&["leaf certificate"], Is(E::SignerUntrusted)),
        (&["Failed to create RevocationOptionsBuilder"], malformed(Part::PckCrl)),
        // Signed texts.
        (&["Signature is invalid for tcb_info"], signature(Part::TcbInfo)),
        (&["Signature is invalid for qe_identity"], signature(Part::QeIdentity)),
        (&["Invalid key length"], Meaning::ShortSignature),
        (&["Failed to decode TcbInfo"], malformed(Part::TcbInfo)),
        (&["Failed to decode QeIdentity"], malformed(Part::QeIdentity)),
        (&["Unsupported QE Identity"], Is(E::CollateralKind { part: Part::QeIdentity })),
        // TCB.
        (&["No matching TCB level"], Is(E::TcbLevelUnknown)),
        (&["TDX module TCB level check", "Unrecognized"], Is(E::StatusUnknown)),
        (&["TDX module TCB level check"], Is(E::ModuleLevelUnknown)),
        (&["TDX module identity check", "mismatch"], Is(E::ModuleMismatch)),
        (&["TDX module identity check", "outside mask"], Is(E::ModuleMismatch)),
        (&["QE ISVSVN"], Is(E::QeLevelUnknown)),
        (&["No TCB levels found in QE Identity"], Is(E::QeLevelUnknown)),
        (&["QE ", "mismatch"], Is(E::QeMismatch)),
        (&["Unrecognized TCB status"], Is(E::StatusUnknown)),
        (&["TCB status is invalid: Revoked"], Is(E::TcbRevoked)),
    ]
};

/// The quote and the collateral of a platform in order.
fn in_order() -> (Vec<u8>, TdxCollateral) {
    let intel = FakeIntel::shared();
    (TdxQuoteBuilder::version_5().sign(intel), intel.collateral(&spec()))
}

#[test]
fn collateral_that_is_damaged_anywhere_is_refused_with_the_name_of_its_text() {
    type Part = fn(&mut TdxCollateral) -> &mut Vec<u8>;
    type Text = fn(&mut TdxCollateral) -> &mut String;
    let (quote, good) = in_order();
    let parts: [Part; 4] = [
        |by| &mut by.root_ca_crl,
        |by| &mut by.pck_crl,
        |by| &mut by.tcb_info_signature,
        |by| &mut by.qe_identity_signature,
    ];
    let texts: [Text; 4] = [
        |by| &mut by.tcb_info_issuer_chain,
        |by| &mut by.qe_identity_issuer_chain,
        |by| &mut by.tcb_info,
        |by| &mut by.qe_identity,
    ];
    for part in parts {
        for index in (0..part(&mut good.clone()).len()).step_by(3) {
            let mut by = good.clone();
            part(&mut by)[index] ^= 0x20;
            compare(&quote, &by, NOW);
        }
    }
    for text in texts {
        for index in (0..text(&mut good.clone()).len()).step_by(STRIDE) {
            let mut by = good.clone();
            text(&mut by).replace_range(index..=index, "0");
            compare(&quote, &by, NOW);
        }
    }
}

#[test]
fn collateral_with_any_other_value_is_refused_with_the_name_of_its_text() {
    let (quote, _) = in_order();
    let others = [json!(null), json!(0), json!(255), json!("TDRelaunchAdvised"), json!("Revoked"), json!([])];
    let parts: [fn(&mut CollateralSpec) -> &mut Value; 2] =
        [|spec| &mut spec.tcb_info, |spec| &mut spec.qe_identity];
    let mut refused = 0;
    for part in parts {
        let places = leaves(part(&mut spec()), String::new());
        assert!(places.len() > 10);
        for (place, other) in places.iter().flat_map(|place| others.iter().map(move |other| (place, other))) {
            let mut changed = spec();
            *part(&mut changed).pointer_mut(place).unwrap() = other.clone();
            let by = FakeIntel::shared().collateral(&changed);
            refused += usize::from(compare(&quote, &by, NOW).is_some());
        }
    }
    assert!(refused > 100, "{refused}");
}

/// The paths of all values that are neither an object nor a list.
fn leaves(value: &Value, path: String) -> Vec<String> {
    match value {
        Value::Object(members) => {
            members.iter().flat_map(|(name, value)| leaves(value, format!("{path}/{name}"))).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(at, item)| leaves(item, format!("{path}/{at}"))).collect()
        }
        _ => vec![path],
    }
}

/// Of longer texts not every byte is tried.
const STRIDE: usize = 7;
