//! Disks: their permits also name the instance, require the phase `initrd`, and rule out a failure shell.

use super::*;

#[test]
fn t48_disks_name_the_instance() {
    let text = with("principal.vtpm.instance.instance_id == \"42\" &&", "");
    assert_eq!(gaps(&text), [Gap::Instance]);
}

#[test]
fn t31_disks_are_for_the_phase_initrd() {
    assert_eq!(gaps(&with("principal.vtpm.phase == Phase::\"initrd\" &&", "")), [Gap::Phase]);
    assert_eq!(gaps(&with("Phase::\"initrd\"", "Phase::\"latched\"")), [Gap::Phase]);
    assert_eq!(gaps(&with("principal.vtpm.phase ==", "principal.vtpm.phase !=")), [Gap::Phase]);
    // Anything but a disk is released in any phase.
    let app =
        with("principal.vtpm.phase == Phase::\"initrd\" &&", "").replace("@for(\"disk\")", "@for(\"app\")");
    assert_eq!(gaps(&app), []);
}

#[test]
fn t35_disks_rule_out_a_failure_shell() {
    let shell = "principal.vtpm.arguments.contains(\"panic=-1\")";
    for open in [
        "principal.vtpm.arguments.contains(\"quiet\")",
        "principal.vtpm.arguments.contains(\"panic=\")",
        "principal.vtpm.arguments.contains(\"panic=0\")",
        // Not numbers to initramfs-tools.
        "principal.vtpm.arguments.contains(\"panic=-2\")",
        "principal.vtpm.arguments.contains(\"panic=+5\")",
        "principal.vtpm.arguments.contains(\"panic=1s\")",
        // `words`, which has every possible reading of a line, proves no argument.
        "principal.vtpm has words && principal.vtpm.words.contains(\"panic=-1\")",
        // The last one takes effect.
        "principal.vtpm.command_line == \"/vmlinuz panic=-1 panic=0\"",
        "principal.vtpm.command_line == \"/vmlinuz panic=-1 a=\\\"b panic=0\\\"\"",
        "principal.vtpm.command_line == \"/vmlinuz rd.shell=0 rd.emergency=reboot rd.shell\"",
        "principal.vtpm.arguments.contains(\"rd.shell=0\")",
        "!principal.vtpm.arguments.contains(\"panic=-1\")",
        "(principal.vtpm.arguments.contains(\"panic=-1\") || principal.vtpm.secure_boot.enabled)",
    ] {
        assert_eq!(gaps(&with(shell, open)), [Gap::FailureShell], "{open}");
    }
    for closed in [
        "principal.vtpm.arguments.contains(\"panic=10\")",
        "principal.vtpm.arguments.containsAll([\"rd.shell=0\", \"rd.emergency=reboot\"])",
        "principal.vtpm.arguments.contains(\"rd.shell=0\") && principal.vtpm.arguments.contains(\"rd.emergency=reboot\")",
        "principal.vtpm.command_line == \"/vmlinuz ro panic=-1\"",
        "principal.vtpm.command_line == \"/vmlinuz ro panic=0 panic=-1\"",
    ] {
        assert_eq!(gaps(&with(shell, closed)), [], "{closed}");
    }
}
