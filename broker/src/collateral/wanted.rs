//! Collateral that is fetched because a verification lacked it.

use std::fmt;

use vouchsafe_attestation::Root;
use vouchsafe_attestation::VerifyError;
use vouchsafe_attestation::anchors::{IssuerAddress, Product};
use vouchsafe_attestation::claims::Claims;
use vouchsafe_attestation::google_token::TokenError;
use vouchsafe_attestation::launch::LaunchEndorsement;
use vouchsafe_attestation::snp::ReportFields;
use vouchsafe_attestation::tdx::{Platform, TdxError};
use vouchsafe_attestation::vtpm::VtpmError;
use vouchsafe_protocol::{Digest48, Evidence};

/// Collateral that a verification lacked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wanted {
    /// Certificate of an AMD chip.
    Vek(Chip),
    /// Intel's collateral for a platform.
    Tdx(Platform),
    /// The keys of Google's tokens, because a token names an unknown one.
    TokenKeys,
    /// Google's launch endorsement.
    Launch(Measured),
    /// An issuing CA.
    Issuer(Issuer),
}

/// An issuing CA, as named by a certificate that it may have issued. The name is unverified.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Issuer {
    /// Where its certificate may be found.
    pub address: IssuerAddress,
    /// Its key identifier; `None` for an address of the table, for which any CA under an anchor will do.
    pub key_id: Option<Vec<u8>>,
}

/// A chip and its firmware, as a report names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chip {
    /// `CHIP_ID`.
    pub id: [u8; 64],
    /// `REPORTED_TCB`.
    pub tcb: [u8; 8],
    /// Product line; absent in reports before version 3.
    pub product: Option<Product>,
}

/// A launch measurement of firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measured {
    /// `MEASUREMENT` of a report.
    SevSnp(Digest48),
    /// MRTD of a quote.
    Tdx(Digest48),
}

impl Measured {
    /// The measurement.
    #[must_use]
    pub const fn digest(&self) -> &Digest48 {
        match self {
            Self::SevSnp(digest) | Self::Tdx(digest) => digest,
        }
    }
}

/// The collateral that could change this refusal. Nothing in the evidence has been verified yet.
#[must_use]
pub fn wanted(error: &VerifyError, evidence: &Evidence) -> Option<Wanted> {
    match error {
        VerifyError::CollateralMissing { chip_id, reported_tcb } => {
            let mut chip = Chip { id: [0; 64], tcb: [0; 8], product: None };
            hex::decode_to_slice(chip_id, &mut chip.id).ok()?;
            hex::decode_to_slice(reported_tcb, &mut chip.tcb).ok()?;
            let report = evidence.sev_snp.as_ref().and_then(|snp| ReportFields::of(&snp.report).ok());
            chip.product = report.and_then(ReportFields::product);
            Some(Wanted::Vek(chip))
        }
        VerifyError::Tdx(TdxError::CollateralMissing { platform }) => Some(Wanted::Tdx(*platform)),
        VerifyError::GoogleToken(TokenError::UnknownKey { .. }) => Some(Wanted::TokenKeys),
        VerifyError::Vtpm(VtpmError::UnknownIssuer(issuer)) => {
            let (address, key_id) = (issuer.address.clone()?, Some(issuer.key_id.clone()));
            Some(Wanted::Issuer(Issuer { address, key_id }))
        }
        _ => None,
    }
}

/// The launch endorsements that verified evidence lacked. One under an extra anchor does not count as
/// Google's.
pub fn unendorsed(claims: &Claims) -> impl Iterator<Item = Wanted> {
    let is_wanted = |endorsement: &Option<LaunchEndorsement>| {
        endorsement.as_ref().is_none_or(|endorsement| endorsement.root == Root::Extra)
    };
    let snp = claims.sev_snp.as_ref().filter(|snp| is_wanted(&snp.endorsement));
    let tdx = claims.tdx.as_ref().filter(|tdx| is_wanted(&tdx.endorsement));
    let measured =
        [snp.map(|snp| Measured::SevSnp(snp.measurement)), tdx.map(|tdx| Measured::Tdx(tdx.mr_td))];
    measured.into_iter().flatten().map(Wanted::Launch)
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vek(chip) => write!(f, "{}/{}", hex::encode(chip.id), hex::encode(chip.tcb)),
            Self::Tdx(platform) => platform.fmt(f),
            Self::TokenKeys => f.write_str("tokens"),
            Self::Launch(measured) => measured.digest().fmt(f),
            Self::Issuer(issuer) => issuer.address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use vouchsafe_attestation::test_util::snp::{FakeAmd, SnpReportBuilder};
    use vouchsafe_protocol::SevSnpEvidence;

    use super::*;

    #[test]
    fn a_missing_certificate_is_that_of_the_chip_that_reported() {
        for made in [Product::Milan, Product::Genoa, Product::Turin] {
            let builder = SnpReportBuilder::new(made);
            let report = builder.sign_report(FakeAmd::shared(made));
            let error = VerifyError::CollateralMissing {
                chip_id: hex::encode(&report[0x1a0..0x1e0]),
                reported_tcb: hex::encode(&report[0x180..0x188]),
            };
            let mut evidence = Evidence {
                sev_snp: Some(SevSnpEvidence {
                    report: report.clone().into(),
                    vek_certificate: None,
                    ca_certificates: vec![],
                    launch_endorsement: None,
                }),
                ..Evidence::default()
            };
            let Some(Wanted::Vek(chip)) = wanted(&error, &evidence) else { panic!("a certificate") };
            assert_eq!((chip.id, chip.product), (builder.chip_id, Some(made)));
            assert_eq!(chip.tcb, report[0x180..0x188]);
            evidence.sev_snp.as_mut().unwrap().report.0[0] = 2;
            let Some(Wanted::Vek(chip)) = wanted(&error, &evidence) else { panic!("a certificate") };
            assert_eq!(chip.product, None);
        }
        assert_eq!(wanted(&VerifyError::NoVekCertificate, &Evidence::default()), None);
    }
}
