//! T52, T59: what user space extended, and its log.

use vouchsafe_protocol::LATCH_WORD;
use vouchsafe_protocol::limits::MAX_USERSPACE_LOG;

use super::*;
use crate::test_util::event_log::userspace::UserspaceBuilder;

/// A machine with systemd 262 at three times: when it requests a disk key, after the latch, and after systemd
/// has booted.
fn unified_at(moment: usize) -> SimulatedVm {
    let mut vm =
        SimulatedVm::booted(&AkCertificateSpec::default(), &EventLogBuilder::gce_uki(Technology::Tdx));
    vm.measure(&UserspaceBuilder::initrd_262_with(&["login", "verity"]));
    if moment > 0 {
        vm.measure(&UserspaceBuilder::new().word(15, LATCH_WORD));
    }
    if moment > 1 {
        vm.measure(&UserspaceBuilder::after_switch_root());
    }
    vm
}

#[test]
fn t59_claims_are_the_firmwares_whatever_user_space_extended() {
    let log = EventLogBuilder::gce_uki(Technology::Tdx);
    let mut firmware = log.pcrs();
    firmware.retain(|pcr, _| !matches!(pcr, 10 | 15));
    for (moment, phase) in [Phase::Initrd, Phase::Latched, Phase::Latched].into_iter().enumerate() {
        let vm = unified_at(moment);
        let claims = Verifier::new().verify(&vm.evidence(Kinds::VTPM, &bound(1)), &bound(1)).unwrap();
        assert_eq!(claims.withheld, []);
        let vtpm = claims.vtpm.unwrap();
        assert_eq!((vtpm.phase, &vtpm.firmware_pcrs, &vtpm.pcrs), (phase, &firmware, &vm.pcrs));
        assert_eq!(vtpm.userspace[&9].len(), 4);
        assert_eq!(vtpm.userspace[&11].len(), if moment == 2 { 4 } else { 1 });
    }
}

#[test]
fn t52_an_unusable_userspace_log_counts_as_absent() {
    let bad: [(Vec<u8>, &str); 3] = [
        (b"no log".to_vec(), "userspace-log-not-a-sequence"),
        (b"\x1e{}\n".to_vec(), "userspace-log-malformed"),
        (vec![0x1e; MAX_USERSPACE_LOG + 1], "userspace-log-too-large"),
    ];
    for (log, reason) in bad {
        let with = |vm: &SimulatedVm, log: Option<&[u8]>| {
            let mut evidence = vm.evidence(Kinds::VTPM, &bound(1));
            evidence.vtpm.as_mut().unwrap().userspace_log = log.map(Into::into);
            Verifier::new().verify(&evidence, &bound(1))
        };
        // A boot that only extends constants is accepted nevertheless.
        let mut vm = SimulatedVm::new();
        vm.measure(&UserspaceBuilder::initrd_262());
        let mut claims = with(&vm, Some(&log)).unwrap();
        let withheld = std::mem::take(&mut claims.withheld);
        assert_eq!((withheld[0].claim, withheld[0].reason.as_str()), ("vtpm.userspace", reason));
        assert_eq!(claims, with(&vm, None).unwrap());
        // A boot that only the log explains is refused as without it.
        let refused = with(&unified_at(0), Some(&log)).unwrap_err();
        assert_eq!(refused, with(&unified_at(0), None).unwrap_err());
        assert_eq!(refused.name(), "event-log-userspace-log-needed");
    }
}
