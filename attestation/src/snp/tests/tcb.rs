//! TCB versions, each component alone.

use super::*;

#[test]
fn t12_every_tcb_is_a_claim_by_component() {
    let mut builder = genoa();
    builder.current_tcb = tcb(11, 2, 28, 201);
    builder.reported_tcb = tcb(9, 0, 26, 199);
    builder.committed_tcb = tcb(10, 1, 27, 200);
    builder.launch_tcb = tcb(8, 0, 25, 198);
    let claims = verify_fake(&builder).unwrap();
    assert_eq!(claims.current_tcb, builder.current_tcb);
    assert_eq!(claims.reported_tcb, builder.reported_tcb);
    assert_eq!(claims.committed_tcb, builder.committed_tcb);
    assert_eq!(claims.launch_tcb, builder.launch_tcb);
    assert!(claims.provisional);
    assert!(!verify_fake(&genoa()).unwrap().provisional);
    builder = genoa();
    builder.committed_version.build -= 1;
    assert!(verify_fake(&builder).unwrap().provisional);
}

#[test]
fn t12_a_tcb_that_the_certificate_does_not_endorse_is_refused() {
    let mismatch =
        |component, certificate, report| SnpError::TcbExtensionMismatch { component, certificate, report };
    assert_eq!(refused_vek(|v| v.tcb.boot_loader = 9), mismatch(TcbComponent::BootLoader, 9, 10));
    assert_eq!(refused_vek(|v| v.tcb.tee = 9), mismatch(TcbComponent::Tee, 9, 1));
    assert_eq!(refused_vek(|v| v.tcb.snp = 26), mismatch(TcbComponent::Snp, 26, 27));
    assert_eq!(refused_vek(|v| v.tcb.microcode = 255), mismatch(TcbComponent::Microcode, 255, 200));
    assert_eq!(refused_vek(|v| v.tcb.fmc = Some(1)), mismatch(TcbComponent::Fmc, 1, 0));
}

#[test]
fn t12_tcbs_that_contradict_each_other_are_refused() {
    let reported = |component| SnpError::ReportedAboveCurrent { component };
    let committed = |component| SnpError::CommittedAboveCurrent { component };
    assert_eq!(refused(|b| b.reported_tcb.snp = 28), reported(TcbComponent::Snp));
    assert_eq!(refused(|b| b.reported_tcb.microcode = 201), reported(TcbComponent::Microcode));
    assert_eq!(refused(|b| b.committed_tcb.tee = 2), committed(TcbComponent::Tee));
    // Above in one component is above, whatever the other components.
    let mixed = |b: &mut SnpReportBuilder| b.committed_tcb = tcb(11, 0, 0, 0);
    assert_eq!(refused(mixed), committed(TcbComponent::BootLoader));
}

#[test]
fn t12_reserved_bytes_of_a_tcb_are_refused() {
    for offset in [0x038, 0x180, 0x1e0, 0x1f0] {
        assert_eq!(refused(|b| b.edits = vec![(offset + 2, vec![1])]), SnpError::TcbReserved, "{offset:#x}");
    }
    let reserved = SnpError::VekMalformed { field: VekField::ReservedLevel };
    assert_eq!(refused_vek(|v| v.reserved_level = 1), reserved);
}
