//! What Intel's collateral states about itself: its platform, and the dates that decide which set is older.

use std::fmt;

use vouchsafe_protocol::UnixTime;

use crate::tdx::CollateralPart;
use crate::tdx::Platform;
use crate::tdx::TdxCollateral;
use crate::tdx::TdxCollateralError;
use crate::tdx::heads::SignedHead;
use crate::tdx::heads::date;
use crate::tdx::pck;
use crate::x509::Collateral;
use crate::x509::CollateralError;

/// A part of the collateral that is fetched separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TdxPart {
    /// TCB info.
    TcbInfo,
    /// QE identity.
    QeIdentity,
    /// CRL of the root CA.
    RootCrl,
    /// CRL of the PCK CA.
    PckCrl,
}

impl fmt::Display for TdxPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self {
            Self::TcbInfo => CollateralPart::TcbInfo,
            Self::QeIdentity => CollateralPart::QeIdentity,
            Self::RootCrl => CollateralPart::RootCrl,
            Self::PckCrl => CollateralPart::PckCrl,
        };
        part.fmt(f)
    }
}

/// Intel's collateral cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TdxItemError {
    /// Not the JSON of collateral.
    #[error(transparent)]
    Form(#[from] TdxCollateralError),
    /// A part is malformed.
    #[error("{part}: {detail}")]
    Malformed {
        /// The part.
        part: TdxPart,
        /// The fault.
        detail: String,
    },
    /// A CRL cannot be used.
    #[error("{part}: {source}")]
    Crl {
        /// The part.
        part: TdxPart,
        /// The fault.
        source: CollateralError,
    },
    /// The answer has no issuer chain in its headers.
    #[error("{part}: no issuer chain in header {header}")]
    NoChain {
        /// The part.
        part: TdxPart,
        /// Where it should be.
        header: &'static str,
    },
    /// It is for another platform than the requested one.
    #[error("for platform {found}")]
    OtherPlatform {
        /// The platform that it is for.
        found: Platform,
    },
    /// A part was issued before the stored one.
    #[error("{part}: issued at {found}, before the stored one ({known})")]
    Older {
        /// The part.
        part: TdxPart,
        /// When this one was.
        found: UnixTime,
        /// When the stored one was.
        known: UnixTime,
    },
}

impl TdxItemError {
    pub(super) fn malformed(part: TdxPart, detail: &str) -> Self {
        Self::Malformed { part, detail: detail.to_owned() }
    }
}

/// What collateral states about itself, unverified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TdxDescription {
    /// The platform that it is for.
    pub platform: Platform,
    /// Until when all of it is valid.
    pub until: UnixTime,
    /// When each part was issued.
    issued: [(TdxPart, UnixTime); 4],
}

impl TdxDescription {
    /// Reads what collateral states about itself.
    ///
    /// # Errors
    /// When a part cannot be read.
    pub fn read(collateral: &TdxCollateral) -> Result<Self, TdxItemError> {
        let tcb = head(TdxPart::TcbInfo, &collateral.tcb_info, "TDX")?;
        let qe = head(TdxPart::QeIdentity, &collateral.qe_identity, "TD_QE")?;
        let root = listed(TdxPart::RootCrl, &collateral.root_ca_crl)?;
        let pck = listed(TdxPart::PckCrl, &collateral.pck_crl)?;
        let mut fmspc = [0; 6];
        hex::decode_to_slice(tcb.fmspc, &mut fmspc)
            .map_err(|_| TdxItemError::malformed(TdxPart::TcbInfo, "fmspc is not 6 bytes of hex"))?;
        let ca = pck::issuer(&pck.issuer)
            .ok_or_else(|| TdxItemError::malformed(TdxPart::PckCrl, "its issuer is no PCK CA"))?;
        let parts = [
            (TdxPart::TcbInfo, times(TdxPart::TcbInfo, &tcb)?),
            (TdxPart::QeIdentity, times(TdxPart::QeIdentity, &qe)?),
            (TdxPart::RootCrl, (root.issued, root.until)),
            (TdxPart::PckCrl, (pck.issued, pck.until)),
        ];
        Ok(Self {
            platform: Platform { fmspc, ca },
            issued: parts.map(|(part, (issued, _))| (part, issued)),
            until: parts.map(|(_, (_, until))| until).into_iter().min().unwrap_or(UnixTime(0)),
        })
    }

    /// No part was issued before its counterpart in `known`. TCB evaluation data numbers are ignored: Intel
    /// publishes an early set with a higher number at the same time as the standard set, so a higher number
    /// does not mean a later set. Policies set the minimum number.
    pub(super) fn is_not_older_than(&self, known: &Self) -> Result<(), TdxItemError> {
        for ((part, found), (_, known)) in self.issued.into_iter().zip(known.issued) {
            if found < known {
                return Err(TdxItemError::Older { part, found, known });
            }
        }
        Ok(())
    }
}

fn head<'a>(part: TdxPart, text: &'a str, id: &str) -> Result<SignedHead<'a>, TdxItemError> {
    let head = SignedHead::parse(text).map_err(|error| TdxItemError::malformed(part, &error.to_string()))?;
    if head.id != id {
        return Err(TdxItemError::malformed(part, &format!("its id is not {id}")));
    }
    Ok(head)
}

fn times(part: TdxPart, head: &SignedHead<'_>) -> Result<(UnixTime, UnixTime), TdxItemError> {
    let time = |text| date(text).ok_or_else(|| TdxItemError::malformed(part, "a date is malformed"));
    Ok((time(head.issue_date)?, time(head.next_update)?))
}

/// Head of a CRL.
struct Listed {
    issuer: Vec<u8>,
    issued: UnixTime,
    until: UnixTime,
}

fn listed(part: TdxPart, crl: &[u8]) -> Result<Listed, TdxItemError> {
    let parsed =
        Collateral::new(&[crl.to_vec()], &[]).map_err(|source| TdxItemError::Crl { part, source })?;
    let summary = parsed.crl_summaries().next().ok_or_else(|| TdxItemError::malformed(part, "no CRL"))?;
    let until = summary.next_update.unwrap_or(summary.this_update);
    Ok(Listed { issuer: summary.issuer, issued: summary.this_update, until })
}
