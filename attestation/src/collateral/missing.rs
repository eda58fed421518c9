//! The collateral that a verification lacked.

use std::fmt;

use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::Evidence;

use crate::anchors::IssuerAddress;
use crate::anchors::Product;
use crate::anchors::Root;
use crate::claims::Claims;
use crate::google_token::TokenError;
use crate::launch::LaunchEndorsement;
use crate::snp::ReportFields;
use crate::tdx::Platform;
use crate::tdx::TdxError;
use crate::verify::VerifyError;
use crate::vtpm::VtpmError;

/// Collateral that a verification lacked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Missing {
    /// Certificate of an AMD chip.
    Vek(Chip),
    /// Intel's collateral for a platform.
    Tdx(Platform),
    /// The current keys of Google's tokens: a token names one that is unknown.
    TokenKeys,
    /// Google's launch endorsement.
    Launch(Measured),
    /// An issuing CA.
    Issuer(Issuer),
}

/// An issuing CA, as named by a certificate that it may have issued. The name is not authenticated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Issuer {
    /// Address of its certificate.
    pub address: IssuerAddress,
    /// Its key identifier; `None` for an address of the table, where any CA below an anchor is accepted.
    pub key_id: Option<Vec<u8>>,
}

/// A chip and its firmware, as named by a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chip {
    /// `CHIP_ID`.
    pub id: [u8; 64],
    /// `REPORTED_TCB`.
    pub tcb: [u8; 8],
    /// Product line; reports before version 3 name none.
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

/// The collateral that could change this refusal. Nothing in the evidence has been verified.
#[must_use]
pub fn missing(error: &VerifyError, evidence: &Evidence) -> Option<Missing> {
    match error {
        VerifyError::CollateralMissing { chip_id, reported_tcb } => {
            let mut chip = Chip { id: [0; 64], tcb: [0; 8], product: None };
            hex::decode_to_slice(chip_id, &mut chip.id).ok()?;
            hex::decode_to_slice(reported_tcb, &mut chip.tcb).ok()?;
            let report = evidence.sev_snp.as_ref().and_then(|snp| ReportFields::of(&snp.report).ok());
            chip.product = report.and_then(ReportFields::product);
            Some(Missing::Vek(chip))
        }
        VerifyError::Tdx(TdxError::CollateralMissing { platform }) => Some(Missing::Tdx(*platform)),
        VerifyError::GoogleToken(TokenError::UnknownKey { .. }) => Some(Missing::TokenKeys),
        VerifyError::Vtpm(VtpmError::UnknownIssuer(issuer)) => {
            let (address, key_id) = (issuer.address.clone()?, Some(issuer.key_id.clone()));
            Some(Missing::Issuer(Issuer { address, key_id }))
        }
        _ => None,
    }
}

/// The launch endorsements that verified evidence came without. One under an extra anchor is not Google's.
pub fn unendorsed(claims: &Claims) -> impl Iterator<Item = Missing> {
    let is_missing = |endorsement: &Option<LaunchEndorsement>| {
        endorsement.as_ref().is_none_or(|endorsement| endorsement.root == Root::Extra)
    };
    let snp = claims.sev_snp.as_ref().filter(|snp| is_missing(&snp.endorsement));
    let tdx = claims.tdx.as_ref().filter(|tdx| is_missing(&tdx.endorsement));
    let measured =
        [snp.map(|snp| Measured::SevSnp(snp.measurement)), tdx.map(|tdx| Measured::Tdx(tdx.mr_td))];
    measured.into_iter().flatten().map(Missing::Launch)
}

impl fmt::Display for Missing {
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
    use vouchsafe_protocol::SevSnpEvidence;

    use super::*;
    use crate::test_util::snp::FakeAmd;
    use crate::test_util::snp::SnpReportBuilder;

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
            let Some(Missing::Vek(chip)) = missing(&error, &evidence) else { panic!("a certificate") };
            assert_eq!((chip.id, chip.product), (builder.chip_id, Some(made)));
            assert_eq!(chip.tcb, report[0x180..0x188]);
            evidence.sev_snp.as_mut().unwrap().report.0[0] = 2;
            let Some(Missing::Vek(chip)) = missing(&error, &evidence) else { panic!("a certificate") };
            assert_eq!(chip.product, None);
        }
        assert_eq!(missing(&VerifyError::NoVekCertificate, &Evidence::default()), None);
    }
}
