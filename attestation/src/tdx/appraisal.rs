//! Intel's appraisal of a platform: this module parses collateral and checks its dates, dcap-qvl verifies and
//! applies it.
//!
//! Everything that makes collateral unusable (form, kind, dates, platform) is checked here first. So what the
//! library refuses concerns signatures and the TCB, and `refusal` finds the reason.

use vouchsafe_protocol::UnixTime;

use super::claims::TcbStatus;
use super::claims::TdxTcb;
use super::collateral::Platform;
use super::collateral::TdxCollateral;
use super::error::CollateralPart;
use super::error::PckField;
use super::error::TdxError;
use super::heads::CrlHead;
use super::heads::SignedHead;
use super::heads::date;
use super::pck::PckChain;
use super::quote::Quote;
use super::refusal::Refused;
use super::signatures::AwsLc;
use crate::hex_bytes::Hex;
use crate::x509::Certificate;
use dcap_qvl::QuoteClaims;
use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::QuotePolicy;
use dcap_qvl::verify::QuoteVerifier;

/// Appraises the platform of a quote whose signatures have been verified.
pub(super) fn appraise(
    quote: &Quote<'_>,
    pck: &PckChain,
    collateral: &TdxCollateral,
    now: UnixTime,
) -> Result<TdxTcb, TdxError> {
    // 1. The collateral is readable, for TDX, current, and for this platform and its issuers (PCS API, Get
    //    TDX TCB Info: id, version, issueDate, nextUpdate, fmspc).
    let [ca, root] = issuers(pck)?;
    let window = check(&pck.platform, [&ca, &root], collateral, now)?;

    // 2. It is signed under the quote's root; nothing is revoked (RFC 5280 §6.1.3 (a)(3)); the TCB matches a
    //    level, the first one whose SVNs are all at most the platform's (PCS API, Get TDX TCB Info).
    let refused = Refused { quote, pck, root: &root, collateral, now };
    let claims = ask(quote, pck, collateral, now).map_err(|text| refused.reason(text))?;

    // 3. The worst of platform, TDX module and quoting enclave determines the status.
    tcb(&claims, window)
}

/// dcap-qvl's verdict, or its error as text.
pub(super) fn ask(
    quote: &Quote<'_>,
    pck: &PckChain,
    collateral: &TdxCollateral,
    now: UnixTime,
) -> Result<QuoteClaims, String> {
    let verifier = QuoteVerifier::<AwsLc>::new_with_config(pck.root().to_vec());
    let policy = QuotePolicy::claims_only(now.0);
    let verdict = verifier.verify_with_policy(quote.encoded, converted(collateral), now.0, &policy);
    verdict.map_err(|error| format!("{error:#}"))
}

/// Earliest issue time and earliest expiry of the collateral's parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    issued: UnixTime,
    expires: UnixTime,
}

/// Checks that every part is readable, for TDX, current, and for this platform and its issuers: PCK CA and
/// root.
pub(super) fn check(
    platform: &Platform,
    [ca, root]: [&Certificate; 2],
    collateral: &TdxCollateral,
    now: UnixTime,
) -> Result<Window, TdxError> {
    use CollateralPart as Part;
    let malformed = |part| TdxError::CollateralMalformed { part };
    let mut window = Window { issued: UnixTime(u64::MAX), expires: UnixTime(u64::MAX) };
    let mut fmspc = [0; 6];
    // PCS API, Get TDX TCB Info and Get TD QE Identity: TDX has TCB info since version 3 and its own QE
    // identity. dcap-qvl accepts no others.
    for (part, text, id, versions) in [
        (Part::TcbInfo, &collateral.tcb_info, "TDX", 3..=u8::MAX),
        (Part::QeIdentity, &collateral.qe_identity, "TD_QE", 2..=3),
    ] {
        let head = SignedHead::parse(text).map_err(|_| malformed(part))?;
        if head.id != id || !versions.contains(&head.version) {
            return Err(TdxError::CollateralKind { part });
        }
        if part == Part::TcbInfo {
            hex::decode_to_slice(head.fmspc, &mut fmspc).map_err(|_| malformed(part))?;
        }
        let from = date(head.issue_date).ok_or(malformed(part))?;
        let until = date(head.next_update).ok_or(malformed(part))?;
        window.narrow(part, from, until, now)?;
    }
    for (part, crl, issuer) in
        [(Part::RootCrl, &collateral.root_ca_crl, root), (Part::PckCrl, &collateral.pck_crl, ca)]
    {
        let crl = CrlHead::parse(crl).ok_or(malformed(part))?;
        if crl.issuer != issuer.subject() {
            return Err(TdxError::CrlMissing { part });
        }
        // RFC 5280 §5.1.2.5: the next CRL is issued at this time at the latest; this CRL is current before
        // it.
        let until = UnixTime(crl.next_update.0.saturating_sub(1));
        window.narrow(part, crl.this_update, until, now)?;
    }
    if fmspc != platform.fmspc {
        return Err(TdxError::FmspcMismatch { platform: Hex(platform.fmspc), collateral: Hex(fmspc) });
    }
    Ok(window)
}

impl Window {
    fn narrow(
        &mut self,
        part: CollateralPart,
        from: UnixTime,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<(), TdxError> {
        if now < from {
            return Err(TdxError::CollateralNotYetValid { part, from });
        }
        if until < now {
            return Err(TdxError::CollateralExpired { part, until });
        }
        self.issued = self.issued.min(from);
        self.expires = self.expires.min(until);
        Ok(())
    }
}

pub(super) fn issuers(pck: &PckChain) -> Result<[Certificate; 2], TdxError> {
    let parsed = pck.issuers.iter().map(|issuer| Certificate::parse(issuer)).collect::<Option<Vec<_>>>();
    parsed
        .and_then(|parsed| parsed.try_into().ok())
        .ok_or(TdxError::PckMalformed { field: PckField::Certificate })
}

fn converted(collateral: &TdxCollateral) -> QuoteCollateralV3 {
    let collateral = collateral.clone();
    QuoteCollateralV3 {
        pck_crl_issuer_chain: collateral.pck_crl_issuer_chain,
        root_ca_crl: collateral.root_ca_crl,
        pck_crl: collateral.pck_crl,
        tcb_info_issuer_chain: collateral.tcb_info_issuer_chain,
        tcb_info: collateral.tcb_info,
        tcb_info_signature: collateral.tcb_info_signature,
        qe_identity_issuer_chain: collateral.qe_identity_issuer_chain,
        qe_identity: collateral.qe_identity,
        qe_identity_signature: collateral.qe_identity_signature,
        // The chain in the quote is used.
        pck_certificate_chain: None,
    }
}

fn tcb(claims: &QuoteClaims, window: Window) -> Result<TdxTcb, TdxError> {
    let launch = &claims.platform.tcb_level;
    let levels = || std::iter::once(launch).chain(&claims.platform.current_tcb_level);
    let dates = levels().map(|level| date(&level.tcb_date)).collect::<Option<Vec<_>>>();
    let date = dates.and_then(|dates| dates.into_iter().min());
    let malformed = TdxError::CollateralMalformed { part: CollateralPart::TcbInfo };
    // At launch and now, for platform and TDX module.
    let platform_status = levels().map(|level| status(level.tcb_status)).max();
    let platform_status = platform_status.unwrap_or(TcbStatus::Revoked);
    let qe_status = status(claims.qe.tcb_level.tcb_status);
    let current = claims.platform.current_tcb_level.iter().flat_map(|level| &level.advisory_ids);
    let mut advisory_ids: Vec<String> = claims.tcb.advisory_ids.iter().chain(current).cloned().collect();
    advisory_ids.sort_unstable();
    advisory_ids.dedup();
    Ok(TdxTcb {
        status: status(claims.tcb.status).max(platform_status).max(qe_status),
        platform_status,
        qe_status,
        advisory_ids,
        evaluation_data_number: claims.tcb.eval_data_number,
        tcb_date: date.ok_or(malformed)?,
        collateral_issued: window.issued,
        collateral_expires: window.expires,
    })
}

fn status(status: dcap_qvl::TcbStatus) -> TcbStatus {
    use dcap_qvl::TcbStatus as S;
    match status {
        S::UpToDate => TcbStatus::UpToDate,
        S::SWHardeningNeeded => TcbStatus::SwHardeningNeeded,
        S::ConfigurationNeeded => TcbStatus::ConfigurationNeeded,
        S::ConfigurationAndSWHardeningNeeded => TcbStatus::ConfigurationAndSwHardeningNeeded,
        // The TDX module was updated after an old one had launched the trust domain.
        S::OutOfDate | S::TDRelaunchAdvised => TcbStatus::OutOfDate,
        S::OutOfDateConfigurationNeeded | S::TDRelaunchAdvisedConfigurationNeeded => {
            TcbStatus::OutOfDateConfigurationNeeded
        }
        S::Revoked => TcbStatus::Revoked,
    }
}
