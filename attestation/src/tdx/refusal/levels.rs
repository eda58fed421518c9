//! TCB levels of quoting enclave, platform and TDX module (PCS API, Get TD QE Identity and Get TDX TCB Info).

use dcap_qvl::QeIdentity;
use dcap_qvl::TcbInfo;
use dcap_qvl::TcbLevel;
use dcap_qvl::TcbStatus;
use dcap_qvl::intel::parse_pck_extension_with;

use super::reason::Reason;
use super::reason::UNNAMED;
use crate::tdx::error::TdxError;
use crate::tdx::pck::PckChain;
use crate::tdx::qe_report::QeReport;
use crate::tdx::quote::Body;
use crate::tdx::quote::Quote;
use crate::tdx::signatures::AwsLc;

/// Checks the quoting enclave against its identity; returns the status of its level: the first one whose
/// ISVSVN it has.
pub(super) fn quoting_enclave(report: QeReport<'_>, identity: &QeIdentity) -> Result<TcbStatus, TdxError> {
    let same_misc = masked(&report.misc_select(), &identity.miscselect_mask)
        == masked(&identity.miscselect, &identity.miscselect_mask);
    let same_attributes = masked(&report.attributes(), &identity.attributes_mask)
        == masked(&identity.attributes, &identity.attributes_mask);
    let same_product = report.isv_prod_id() == identity.isvprodid;
    if report.mr_signer() != identity.mrsigner || !same_product || !same_misc || !same_attributes {
        return Err(TdxError::QeMismatch);
    }
    let level = identity.tcb_levels.iter().find(|level| report.isv_svn() >= level.tcb.isvsvn);
    let status = level.ok_or(TdxError::QeLevelUnknown)?.tcb_status;
    listed(
        status,
        !matches!(status, TcbStatus::SWHardeningNeeded | TcbStatus::ConfigurationAndSWHardeningNeeded),
    )
}

/// Checks platform and TDX module, at launch and now; returns the status of each level.
pub(super) fn platform(quote: &Quote<'_>, pck: &PckChain, info: &TcbInfo) -> Result<Vec<TcbStatus>, Reason> {
    let svns = Svns::of(pck).ok_or(UNNAMED)?;
    let mut found = svns.statuses(info, &quote.body.tee_tcb_svn())?;
    check_module(&quote.body, info)?;
    if let Some(current) = quote.body.tee_tcb_svn2() {
        found.extend(svns.statuses(info, &current.0)?);
    }
    Ok(found)
}

/// Checks that no level is revoked.
pub(super) fn check_revoked(mut statuses: impl Iterator<Item = TcbStatus>) -> Result<(), TdxError> {
    if statuses.any(|status| status == TcbStatus::Revoked) { Err(TdxError::TcbRevoked) } else { Ok(()) }
}

/// Security versions in the platform's certificate.
struct Svns {
    cpu: [u8; 16],
    pce: u16,
}

impl Svns {
    fn of(pck: &PckChain) -> Option<Self> {
        let extension = parse_pck_extension_with::<AwsLc>(&pck.leaf).ok()?;
        Some(Self { cpu: extension.cpu_svn, pce: extension.pce_svn })
    }

    /// Statuses of platform and module for these security versions of the module.
    fn statuses(&self, info: &TcbInfo, module: &[u8; 16]) -> Result<Vec<TcbStatus>, Reason> {
        let mut statuses = vec![self.level(info, module)?];
        let Ok(identity) = info.tdx_module_identity(module) else {
            return Err(Some(TdxError::ModuleLevelUnknown));
        };
        if let Some(identity) = identity {
            let level = identity.tcb_levels.iter().find(|level| level.shortfall(module).is_none());
            let status = level.ok_or(TdxError::ModuleLevelUnknown)?.tcb_status;
            statuses.push(listed(
                status,
                matches!(status, TcbStatus::UpToDate | TcbStatus::OutOfDate | TcbStatus::Revoked),
            )?);
        }
        Ok(statuses)
    }

    /// Status of the first level, the highest ones first, that no security version of the platform is below.
    fn level(&self, info: &TcbInfo, module: &[u8; 16]) -> Result<TcbStatus, Reason> {
        let mut levels: Vec<&TcbLevel> = info.tcb_levels.iter().collect();
        let order = |level: &TcbLevel| {
            let tcb = &level.tcb;
            (tcb.sgx_components.clone(), tcb.pce_svn, tcb.tdx_components.clone())
        };
        levels.sort_by_cached_key(|level| std::cmp::Reverse(order(level)));
        for level in levels {
            let shortfalls = level.shortfalls(&self.cpu, self.pce, Some(module)).map_err(|_| UNNAMED)?;
            if shortfalls.is_empty() {
                return Ok(listed(level.tcb_status, true)?);
            }
        }
        Err(Some(TdxError::TcbLevelUnknown))
    }
}

/// Checks signer and attributes of the TDX module (DCAP API A.3.2: MRSIGNERSEAM, SEAMATTRIBUTES).
fn check_module(body: &Body<'_>, info: &TcbInfo) -> Result<(), Reason> {
    let identity = info.tdx_module_identity(&body.tee_tcb_svn()).map_err(|_| UNNAMED)?;
    let base = info.tdx_module.as_ref().ok_or(UNNAMED)?;
    let base = (&base.mrsigner, &base.attributes, &base.attributes_mask);
    let (signer, attributes, mask) =
        identity.map_or(base, |module| (&module.mrsigner, &module.attributes, &module.attributes_mask));
    let (signer, attributes, mask): ([u8; 48], [u8; 8], [u8; 8]) =
        (bytes(signer)?, bytes(attributes)?, bytes(mask)?);
    let reported = body.seam_attributes();
    // Bits outside of the mask are zero.
    let is_listed = masked(&attributes, &mask) == reported;
    if body.mr_signer_seam().0 == signer && is_listed { Ok(()) } else { Err(Some(TdxError::ModuleMismatch)) }
}

/// A status that levels of this kind may have.
fn listed(status: TcbStatus, is_listed: bool) -> Result<TcbStatus, TdxError> {
    let is_relaunch =
        matches!(status, TcbStatus::TDRelaunchAdvised | TcbStatus::TDRelaunchAdvisedConfigurationNeeded);
    if is_listed && !is_relaunch { Ok(status) } else { Err(TdxError::StatusUnknown) }
}

fn masked<const N: usize>(bytes: &[u8; N], mask: &[u8; N]) -> [u8; N] {
    let mut masked = *bytes;
    masked.iter_mut().zip(mask).for_each(|(byte, mask)| *byte &= mask);
    masked
}

fn bytes<const N: usize>(text: &str) -> Result<[u8; N], Reason> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| UNNAMED)?;
    Ok(bytes)
}
