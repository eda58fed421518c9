//! A TDX quote.

use vouchsafe_attestation::anchors::Root;
use vouchsafe_attestation::snp::Hex;
use vouchsafe_attestation::tdx::{TdAttributes, TdxClaims, TdxTcb};

use super::{Shown, boot, endorsement, names};
use crate::policy::value::Record;

/// The claims, and those of the CCEL log only as far as `shown` says.
pub(super) fn tdx(claims: &TdxClaims, shown: Shown) -> Record {
    let [rtmr0, rtmr1, rtmr2, rtmr3] = claims.rtmrs.map(|rtmr| rtmr.to_string());
    let log = claims.unconfirmed_boot.as_ref().filter(|_| shown == Shown::ConfirmedBoot);
    Record::default()
        .with("root", names::root(claims.root))
        .with("revocation", names::revocation(claims.revocation))
        .with_some("tcb", claims.tcb.as_ref().map(tcb))
        .with("quote_version", claims.quote_version)
        .with("fmspc", claims.fmspc.to_string())
        .with("pck_ca", names::pck_ca(claims.pck_ca))
        .with("platform_id", claims.platform_id.to_string())
        .with("tee_tcb_svn", claims.tee_tcb_svn.to_string())
        .with("tee_tcb", tee_tcb(claims.tee_tcb_svn))
        .with_some("tee_tcb_svn2", claims.tee_tcb_svn2.map(|svn| svn.to_string()))
        .with_some("tee_tcb2", claims.tee_tcb_svn2.map(tee_tcb))
        .with("mr_seam", claims.mr_seam.to_string())
        .with("mr_signer_seam", claims.mr_signer_seam.to_string())
        .with("attributes", attributes(&claims.attributes))
        .with("xfam", claims.xfam.to_string())
        .with("mr_td", claims.mr_td.to_string())
        .with_some("endorsement", claims.endorsement.as_ref().map(endorsement))
        .with("mr_config_id", claims.mr_config_id.to_string())
        .with("mr_owner", claims.mr_owner.to_string())
        .with("mr_owner_config", claims.mr_owner_config.to_string())
        .with_some("mr_service_td", claims.mr_service_td.map(|digest| digest.to_string()))
        .with(
            "rtmrs",
            Record::default()
                .with("rtmr0", rtmr0)
                .with("rtmr1", rtmr1)
                .with("rtmr2", rtmr2)
                .with("rtmr3", rtmr3),
        )
        .with_some("boot", log.map(|log| boot(log)))
}

/// Whether the firmware is Google's by its own word. What an anchor from a file endorses counts only for quotes that
/// rest on such an anchor as well (T10).
pub(in crate::policy) fn is_firmware_endorsed(claims: &TdxClaims) -> bool {
    let endorsement = claims.endorsement.as_ref();
    endorsement.is_some_and(|by| by.root == Root::Google || claims.root == Root::Extra)
}

fn tcb(tcb: &TdxTcb) -> Record {
    Record::default()
        .with("status", names::tcb_status(tcb.status))
        .with("platform_status", names::tcb_status(tcb.platform_status))
        .with("qe_status", names::tcb_status(tcb.qe_status))
        .with_set("advisory_ids", super::texts(&tcb.advisory_ids))
        .with("evaluation_data_number", tcb.evaluation_data_number)
        .with("tcb_date", tcb.tcb_date)
        .with("collateral_issued", tcb.collateral_issued)
        .with("collateral_expires", tcb.collateral_expires)
}

/// Intel TDX module ABI specification 348551, `TEE_TCB_SVN`: byte 0 is the module's minor version, byte 1 its major
/// version, byte 2 the last microcode patch loaded. The others are reserved.
fn tee_tcb(svn: Hex<16>) -> Record {
    let [module_minor, module_major, microcode, ..] = svn.0;
    Record::default()
        .with("module_major", module_major)
        .with("module_minor", module_minor)
        .with("microcode", microcode)
}

fn attributes(attributes: &TdAttributes) -> Record {
    Record::default()
        .with("raw", attributes.raw.to_string())
        .with("debug", attributes.debug)
        .with("sept_ve_disable", attributes.sept_ve_disable)
        .with("migratable", attributes.migratable)
        .with("pks", attributes.pks)
        .with("key_locker", attributes.key_locker)
        .with("perfmon", attributes.perfmon)
}
