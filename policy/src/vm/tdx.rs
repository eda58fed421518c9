//! A TDX quote.

use vouchsafe_attestation::anchors::Root;
use vouchsafe_attestation::snp::Hex;
use vouchsafe_attestation::tdx::{TdAttributes, TdxClaims, TdxTcb};
use vouchsafe_protocol::Digest48;

use super::boot::{BootVisibility, boot};
use super::common::{endorsement, texts};
use super::names;
use crate::value::Picked;

/// The claims; those of the CCEL log only as `visibility` allows.
pub(super) fn tdx<'r>(record: Picked<'r>, claims: &TdxClaims, visibility: BootVisibility) -> Picked<'r> {
    let log = claims.unconfirmed_boot.as_ref().filter(|_| visibility == BootVisibility::ConfirmedBoot);
    record
        .with("root", names::root(claims.root))
        .with("revocation", names::revocation(claims.revocation))
        .with_some_record("tcb", claims.tcb.as_ref(), tcb)
        .with("quote_version", claims.quote_version)
        .with_text("fmspc", &claims.fmspc)
        .with("pck_ca", names::pck_ca(claims.pck_ca))
        .with_text("platform_id", &claims.platform_id)
        .with_text("tee_tcb_svn", &claims.tee_tcb_svn)
        .with_record("tee_tcb", |record| tee_tcb(record, claims.tee_tcb_svn))
        .with_some_text("tee_tcb_svn2", claims.tee_tcb_svn2)
        .with_some_record("tee_tcb2", claims.tee_tcb_svn2, tee_tcb)
        .with_text("mr_seam", &claims.mr_seam)
        .with_text("mr_signer_seam", &claims.mr_signer_seam)
        .with_record("attributes", |record| attributes(record, &claims.attributes))
        .with_text("xfam", &claims.xfam)
        .with_text("mr_td", &claims.mr_td)
        .with_some_record("endorsement", claims.endorsement.as_ref(), endorsement)
        .with_text("mr_config_id", &claims.mr_config_id)
        .with_text("mr_owner", &claims.mr_owner)
        .with_text("mr_owner_config", &claims.mr_owner_config)
        .with_some_text("mr_service_td", claims.mr_service_td)
        .with_record("rtmrs", |record| rtmrs(record, &claims.rtmrs))
        .with_some_record("boot", log.map(AsRef::as_ref), boot)
}

/// Whether Google endorses the firmware. An endorsement under an anchor from a file is used only for quotes
/// that also chain to such an anchor (T10).
pub(crate) fn is_firmware_endorsed(claims: &TdxClaims) -> bool {
    let endorsement = claims.endorsement.as_ref();
    endorsement.is_some_and(|by| by.root == Root::Google || claims.root == Root::Extra)
}

fn rtmrs<'r>(record: Picked<'r>, rtmrs: &[Digest48; 4]) -> Picked<'r> {
    let [rtmr0, rtmr1, rtmr2, rtmr3] = rtmrs;
    record
        .with_text("rtmr0", rtmr0)
        .with_text("rtmr1", rtmr1)
        .with_text("rtmr2", rtmr2)
        .with_text("rtmr3", rtmr3)
}

fn tcb<'r>(record: Picked<'r>, tcb: &TdxTcb) -> Picked<'r> {
    record
        .with("status", names::tcb_status(tcb.status))
        .with("platform_status", names::tcb_status(tcb.platform_status))
        .with("qe_status", names::tcb_status(tcb.qe_status))
        .with_set("advisory_ids", texts(&tcb.advisory_ids))
        .with("evaluation_data_number", tcb.evaluation_data_number)
        .with("tcb_date", tcb.tcb_date)
        .with("collateral_issued", tcb.collateral_issued)
        .with("collateral_expires", tcb.collateral_expires)
}

/// Intel TDX module ABI specification 348551, `TEE_TCB_SVN`: byte 0 is the module's minor version, byte 1 its major
/// version, byte 2 the last microcode patch loaded. The others are reserved.
fn tee_tcb(record: Picked<'_>, svn: Hex<16>) -> Picked<'_> {
    let [module_minor, module_major, microcode, ..] = svn.0;
    record.with("module_major", module_major).with("module_minor", module_minor).with("microcode", microcode)
}

fn attributes<'r>(record: Picked<'r>, attributes: &TdAttributes) -> Picked<'r> {
    record
        .with_text("raw", &attributes.raw)
        .with("debug", attributes.debug)
        .with("sept_ve_disable", attributes.sept_ve_disable)
        .with("migratable", attributes.migratable)
        .with("pks", attributes.pks)
        .with("key_locker", attributes.key_locker)
        .with("perfmon", attributes.perfmon)
}
