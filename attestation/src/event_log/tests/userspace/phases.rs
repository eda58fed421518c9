//! Boot phases, which systemd extends into PCR 11.

use super::*;

const PHASES: [&str; 6] = ["enter-initrd", "leave-initrd", "sysinit", "ready", "shutdown", "final"];

#[test]
fn t59_each_beginning_of_the_phases_is_accepted_with_and_without_a_stub() {
    // An initrd without systemd omits the first two; GRUB has no stub, so PCR 11 starts from zero.
    for boot in [ubuntu(), uki()] {
        for (start, end) in (0..=6).map(|end| (0, end)).chain((2..=6).map(|end| (2, end))) {
            let phases = words(11, &PHASES[start..end]);
            for state in [with_log(&boot, &phases), without_log(&boot, &phases)] {
                assert_eq!(shown(&state.expect("accepted"), 11), PHASES[start..end]);
            }
        }
    }
}

#[test]
fn t59_a_soft_reboot_goes_through_the_phases_again() {
    let again = [&PHASES[..], &PHASES[2..], &PHASES[2..4]].concat();
    let state = without_log(&uki(), &words(11, &again)).expect("accepted");
    assert_eq!(shown(&state, 11), again);
    // A kexec runs an initrd again: no log has what ran since.
    let kexec = [&PHASES[..], &["enter-initrd"]].concat();
    let given = pcrs(&uki(), &words(11, &kexec))[&11];
    assert_eq!(without_log(&uki(), &words(11, &kexec)), Err(EventLogError::BootPhase { given }));
}

#[test]
fn t59_phases_out_of_order_are_refused() {
    for phases in [
        &["leave-initrd"][..],
        &["enter-initrd", "enter-initrd"],
        &["enter-initrd", "sysinit"],
        &["ready"],
        &["sysinit", "final"],
        &["x"],
        &["enter-initrd", "leave-initrd", "x", "sysinit"],
    ] {
        let given = pcrs(&uki(), &words(11, phases))[&11];
        assert_eq!(without_log(&uki(), &words(11, phases)), Err(EventLogError::BootPhase { given }));
        let refused = without_log(&ubuntu(), &words(11, phases));
        assert_eq!(refused, Err(EventLogError::PcrWithoutEvents { pcr: 11 }), "{phases:?}");
    }
}

#[test]
fn t59_an_unknown_word_in_the_log_is_refused() {
    for (phases, entry, next) in [
        (&["enter-initrd", "custom"][..], 2, "leave-initrd"),
        (&["enter-initrd", "leave-initrd", "sysinit", "custom"], 4, "ready"),
        (&["sysinit", "custom", "ready"], 2, "ready"),
        (&["custom"], 1, "enter-initrd"),
    ] {
        let refused = with_log(&uki(), &words(11, phases));
        assert_eq!(refused, Err(EventLogError::UserspaceEntry { pcr: 11, entry, next }), "{phases:?}");
    }
    let extended = os_separator().word(13, "sysext");
    let refused = EventLogError::UserspaceEntry { pcr: 13, entry: 2, next: "nothing" };
    assert_eq!(with_log(&ubuntu(), &extended), Err(refused));
}
