//! RHEL with entries of the Boot Loader Specification.

use super::*;

const FIRST: &str = "search --no-floppy --fs-uuid --set=dev 1111-2222\nset prefix=($dev)/grub2\nexport $prefix\nconfigfile $prefix/grub.cfg\n";
const CONFIGURATION: &str = "set default=\"${saved_entry}\"\ninsmod blscfg\nblscfg\n";
const OPTIONS: &str = "root=/dev/mapper/root ro rd.shell=0";

fn entry(version: &str) -> String {
    format!(
        "title Linux {version}\nlinux /vmlinuz-{version}\ninitrd /initramfs-{version}.img $tuned_initrd\noptions {OPTIONS} $kernelopts\n"
    )
}

fn environment(version: &str) -> String {
    format!("# GRUB\nsaved_entry=id-{version}\nboot_success=0\n")
}

fn rhel() -> (Vm, LogBuilder) {
    let vm = Vm::new();
    vm.write("boot/efi/EFI/redhat/shimx64.efi", image("shim").bytes());
    vm.write("boot/efi/EFI/redhat/grubx64.efi", image("grub").bytes());
    vm.write("boot/efi/EFI/redhat/grub.cfg", FIRST);
    vm.write("boot/grub2/grub.cfg", CONFIGURATION);
    vm.write("boot/grub2/grubenv", environment("5.14.0-9"));
    vm.write("boot/loader/entries/id-5.14.0-9.conf", entry("5.14.0-9"));
    vm.write("boot/vmlinuz-5.14.0-9", image("kernel 9").bytes());
    vm.write("boot/initramfs-5.14.0-9.img", "initrd 9");
    let line = format!("(hd0,gpt2)/vmlinuz-5.14.0-9 {OPTIONS}");
    let options: Vec<u8> = format!("BOOT_IMAGE={line}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let log = LogBuilder::default()
        .application(r"\EFI\redhat\shimx64.efi", image("shim").digest())
        .application(r"\EFI\redhat\grubx64.efi", image("grub").digest())
        .file("(hd0,gpt1)/EFI/redhat/grub.cfg", FIRST.as_bytes())
        .command("search --no-floppy --fs-uuid --set=dev 1111-2222")
        .command("set prefix=(hd0,gpt2)/grub2")
        .command("export (hd0,gpt2)/grub2")
        .command("configfile (hd0,gpt2)/grub2/grub.cfg")
        .file("(hd0,gpt2)/grub2/grub.cfg", CONFIGURATION.as_bytes())
        .file("(hd0,gpt2)/grub2/grubenv", environment("5.14.0-9").as_bytes())
        .command("set default=id-5.14.0-9")
        .command("insmod blscfg")
        .command("blscfg")
        .file("(hd0,gpt2)/loader/entries//id-5.14.0-9.conf", entry("5.14.0-9").as_bytes())
        .command(&format!("linux {line}"))
        .file("(hd0,gpt2)/vmlinuz-5.14.0-9", &image("kernel 9").bytes())
        .kernel_in_memory(image("kernel 9").digest())
        .command_line(&line)
        .command("initrd (hd0,gpt2)/initramfs-5.14.0-9.img")
        .file("(hd0,gpt2)/initramfs-5.14.0-9.img", b"initrd 9")
        .tagged(&options)
        .tagged(b"initrd 9");
    (vm, log)
}

fn update(vm: &Vm) {
    vm.write("boot/loader/entries/id-5.14.0-10.conf", entry("5.14.0-10"));
    vm.write("boot/grub2/grubenv", environment("5.14.0-10"));
    vm.write("boot/vmlinuz-5.14.0-10", image("kernel 10").bytes());
    vm.write("boot/initramfs-5.14.0-10.img", "initrd 10");
}

#[test]
fn without_an_update_nothing_is_new() {
    let (vm, log) = rhel();
    let next = vm.next(&log).unwrap();
    assert_eq!((new(&next), next.unknown.len()), (Vec::new(), 0), "{:?}", next.unknown);
    for event in BootLog::parse(&log.bytes()).unwrap().events {
        assert!(next.events.iter().any(|one| one.event.digest == event.digest), "{event:?}");
    }
}

#[test]
fn a_new_entry_is_predicted_with_its_commands() {
    let (vm, log) = rhel();
    update(&vm);
    let next = vm.next(&log).unwrap();
    let text = |text: &str| (8, text.to_owned(), "");
    let file = |pcr, what: &str, file| (pcr, what.to_owned(), file);
    let line = format!("(hd0,gpt2)/vmlinuz-5.14.0-10 {OPTIONS}");
    assert_eq!(
        new(&next),
        [
            file(9, "file that GRUB reads", "/boot/loader/entries/id-5.14.0-10.conf"),
            text("GRUB's command: set default=id-5.14.0-10"),
            text(&format!("GRUB's command: linux {line}")),
            text("GRUB's command: initrd (hd0,gpt2)/initramfs-5.14.0-10.img"),
            text(&format!("command line: {line}")),
            (9, "options that the kernel measures".to_owned(), ""),
            file(9, "kernel", "/boot/vmlinuz-5.14.0-10"),
            file(4, "kernel, as the firmware measures it", "/boot/vmlinuz-5.14.0-10"),
            file(9, "initrd", "/boot/initramfs-5.14.0-10.img"),
            file(9, "initrd that the kernel measures", "/boot/initramfs-5.14.0-10.img"),
            file(9, "file that GRUB reads", "/boot/grub2/grubenv"),
        ]
    );
    assert_eq!(next.unknown, Vec::<String>::new());
}

#[test]
fn a_boot_that_does_not_follow_from_the_entries_is_named() {
    let (vm, log) = rhel();
    update(&vm);
    for version in ["5.14.0-9", "5.14.0-10"] {
        let changed = entry(version).replace("ro", "rw");
        vm.write(&format!("boot/loader/entries/id-{version}.conf"), changed);
    }
    let next = vm.next(&log).unwrap();
    assert_eq!(
        next.unknown,
        ["the command line: that of this boot does not follow from an entry in /loader/entries"]
    );
    let (vm, log) = rhel();
    vm.write("boot/grub2/grubenv", "saved_entry=elsewhere\n");
    let next = vm.next(&log).unwrap();
    assert_eq!(
        next.unknown,
        ["the entry that GRUB starts: saved_entry in grubenv names none of the entries"]
    );
}
