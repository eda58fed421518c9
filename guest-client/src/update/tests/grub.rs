//! Debian with shim and GRUB.

use super::*;

/// The configuration in the EFI system partition, which reads the one in /boot.
const FIRST: &str = "search.fs_uuid 1111-2222 root\nset prefix=($root)'/grub'\nconfigfile $prefix/grub.cfg\n";

fn configuration(version: &str) -> String {
    format!(
        "if [ -s $prefix/grubenv ]; then\n  load_env\nfi\nset default=\"0\"\nmenuentry 'Debian' {{\n\
         \techo 'Loading Linux {version} ...'\n\tlinux /vmlinuz-{version} root=/dev/mapper/root ro\n\
         \tinitrd /initrd.img-{version}\n}}\n"
    )
}

fn block(version: &str) -> String {
    let text = configuration(version);
    let (_, block) = text.split_once(" {").unwrap();
    format!("menuentry Debian {{{}", block.trim_end())
}

/// A machine that runs 6.1.0-9, with /boot on a partition of its own, and the log of its boot.
fn debian() -> (Vm, LogBuilder) {
    let vm = Vm::new();
    vm.write("boot/efi/EFI/debian/shimx64.efi", image("shim").bytes());
    vm.write("boot/efi/EFI/debian/grubx64.efi", ImageBuilder::grub("2.06").bytes());
    vm.write("boot/efi/EFI/debian/grub.cfg", FIRST);
    vm.write("boot/grub/grub.cfg", configuration("6.1.0-9"));
    vm.write("boot/grub/grubenv", "# GRUB\n");
    vm.write("boot/vmlinuz-6.1.0-9", image("kernel 9").bytes());
    vm.write("boot/initrd.img-6.1.0-9", "initrd 9");
    // A link of Debian's, which is not what GRUB reads.
    vm.write("vmlinuz", "elsewhere");
    let log = LogBuilder::default()
        .application(r"\EFI\DEBIAN\SHIMX64.EFI", image("shim").digest())
        .application(r"\EFI\debian\grubx64.efi", ImageBuilder::grub("2.06").digest())
        .command("[ -e (hd0,gpt1)/EFI/debian/grub.cfg ]")
        .command("source (hd0,gpt1)/EFI/debian/grub.cfg")
        .file("(hd0,gpt1)/EFI/debian/grub.cfg", FIRST.as_bytes())
        .command("search.fs_uuid 1111-2222 root")
        .command("set prefix=(hd0,gpt2)/grub")
        .file("(hd0,gpt2)/grub/x86_64-efi/fs.lst", b"list")
        .command("configfile (hd0,gpt2)/grub/grub.cfg")
        .file("(hd0,gpt2)/grub/grub.cfg", configuration("6.1.0-9").as_bytes())
        .command("[ -s (hd0,gpt2)/grub/grubenv ]")
        .file("(hd0,gpt2)/grub/grubenv", b"# GRUB\n")
        .command("load_env")
        .command("set default=0")
        .command(&block("6.1.0-9"))
        .command("setparams Debian")
        .command("echo Loading Linux 6.1.0-9 ...")
        .command("linux /vmlinuz-6.1.0-9 root=/dev/mapper/root ro")
        .file("/vmlinuz-6.1.0-9", &image("kernel 9").bytes())
        .kernel_in_memory(image("kernel 9").digest())
        .command_line("/vmlinuz-6.1.0-9 root=/dev/mapper/root ro")
        .command("initrd /initrd.img-6.1.0-9")
        .file("/initrd.img-6.1.0-9", b"initrd 9");
    vm.write("boot/grub/x86_64-efi/fs.lst", "list");
    (vm, log)
}

#[test]
fn without_an_update_nothing_is_new() {
    let (vm, log) = debian();
    let next = vm.next(&log).unwrap();
    assert_eq!(new(&next), []);
    assert_eq!(next.unknown, Vec::<String>::new());
    // Everything that this boot measured is among what the next one may measure.
    for event in BootLog::parse(&log.bytes()).unwrap().events {
        assert!(next.events.iter().any(|one| one.event.digest == event.digest), "{event:?}");
    }
    // Debian's GRUB 2.06 starts the kernel past its EFI entry.
    assert!(next.events.iter().all(|one| one.event.component != Component::LoadOptions));
}

#[test]
fn an_updated_kernel_is_predicted_with_its_commands() {
    let (vm, log) = debian();
    vm.write("boot/vmlinuz-6.1.0-10", image("kernel 10").bytes());
    vm.write("boot/initrd.img-6.1.0-10", "initrd 10");
    vm.write("boot/grub/grub.cfg", configuration("6.1.0-10"));
    let next = vm.next(&log).unwrap();
    let text = |text: &str| (8, text.to_owned(), "");
    let file = |pcr, what: &str, file| (pcr, what.to_owned(), file);
    let line = "/vmlinuz-6.1.0-10 root=/dev/mapper/root ro";
    assert_eq!(
        new(&next),
        [
            file(4, "kernel, as the firmware measures it", "/boot/vmlinuz-6.1.0-10"),
            file(9, "file that GRUB reads", "/boot/efi/EFI/debian/grub.cfg, /boot/grub/grub.cfg"),
            text("GRUB's command: menuentry Debian { …"),
            text("GRUB's command: echo Loading Linux 6.1.0-10 ..."),
            text(&format!("GRUB's command: linux {line}")),
            file(9, "kernel", "/boot/vmlinuz-6.1.0-10"),
            text(&format!("command line: {line}")),
            text("GRUB's command: initrd /initrd.img-6.1.0-10"),
            file(9, "initrd", "/boot/initrd.img-6.1.0-10"),
        ]
    );
    assert_eq!(next.unknown, Vec::<String>::new());
    // The kernel that runs is not started by default any more: the baseline keeps it as long as the operator wants.
    let old = image("kernel 9").digest();
    assert!(next.events.iter().all(|one| one.event.digest != old));
}

#[test]
fn a_new_initrd_alone_changes_no_command() {
    let (vm, log) = debian();
    vm.write("boot/initrd.img-6.1.0-9", "initrd 9, again");
    let next = vm.next(&log).unwrap();
    assert_eq!(new(&next), [(9, "initrd".to_owned(), "/boot/initrd.img-6.1.0-9")]);
}

#[test]
fn boot_loaders_of_installed_packages_count_too() {
    let (vm, log) = debian();
    vm.write("usr/lib/shim/shimx64.efi.signed", image("new shim").bytes());
    vm.write("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", ImageBuilder::grub("2.12").bytes());
    let next = vm.next(&log).unwrap();
    assert_eq!(
        new(&next),
        [
            (4, "shim".to_owned(), "/usr/lib/shim/shimx64.efi.signed"),
            (4, "GRUB".to_owned(), "/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"),
        ]
    );
}

#[test]
fn what_cannot_be_followed_is_named_and_the_files_are_predicted() {
    let (vm, log) = debian();
    vm.write("boot/vmlinuz-6.1.0-10", image("kernel 10").bytes());
    vm.write("boot/initrd.img-6.1.0-10", "initrd 10");
    vm.write("boot/grub/grub.cfg", "insmod lvm\n".to_owned() + &configuration("6.1.0-10"));
    let next = vm.next(&log).unwrap();
    let [unknown] = next.unknown.as_slice() else { panic!("{:?}", next.unknown) };
    assert!(unknown.starts_with("the commands that GRUB runs, and the command line: "), "{unknown}");
    assert!(unknown.contains("insmod lvm"), "{unknown}");
    assert_eq!(
        new(&next),
        [
            (9, "file that GRUB reads".to_owned(), "/boot/grub/grub.cfg"),
            (9, "kernel".to_owned(), "/boot/vmlinuz-6.1.0-10"),
            (4, "kernel, as the firmware measures it".to_owned(), "/boot/vmlinuz-6.1.0-10"),
            (9, "initrd".to_owned(), "/boot/initrd.img-6.1.0-10"),
        ]
    );
}

#[test]
fn a_file_that_is_missing_is_named() {
    let (vm, log) = debian();
    vm.remove("boot/grub/x86_64-efi/fs.lst");
    let next = vm.next(&log).unwrap();
    let expected =
        "(hd0,gpt2)/grub/x86_64-efi/fs.lst, which the boot reads, is in none of /, /boot, /boot/efi and /efi";
    assert_eq!(next.unknown, [expected]);
    vm.remove("boot/efi/EFI/debian/grubx64.efi");
    let error = vm.next(&log).unwrap_err();
    assert!(
        matches!(&error, UpdateError::NotFound { name } if name == r"\EFI\debian\grubx64.efi"),
        "{error}"
    );
    vm.write("boot/efi/EFI/debian/grubx64.efi", "not an image");
    assert!(matches!(vm.next(&log), Err(UpdateError::Image { .. })));
}

#[test]
fn two_files_of_one_name_are_told_apart_by_what_was_read() {
    let (vm, log) = debian();
    // Another system's, in the root file system.
    vm.write("grub/grub.cfg", "set other=1\n");
    vm.write("grub/grubenv", "other=1\n");
    assert_eq!(new(&vm.next(&log).unwrap()), []);
    // Nothing of that device is as it was read.
    vm.write("boot/grub/grub.cfg", configuration("6.1.0-10"));
    vm.write("boot/grub/grubenv", "a=1\n");
    vm.write("boot/grub/x86_64-efi/fs.lst", "new");
    let next = vm.next(&log).unwrap();
    let ambiguous =
        "(hd0,gpt2)/grub/grub.cfg, which the boot reads, may be /grub/grub.cfg or /boot/grub/grub.cfg";
    assert!(next.unknown.iter().any(|text| text.contains(ambiguous)), "{:?}", next.unknown);
}
