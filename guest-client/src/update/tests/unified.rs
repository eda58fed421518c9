//! Unified kernel images.

use super::*;

fn unified(name: &str) -> ImageBuilder {
    ImageBuilder::stub_of(255, &[".linux", ".cmdline", ".initrd", ".pcrsig"])
        .section(".linux", &image(name).bytes())
        .section(".cmdline", b"root=/dev/mapper/root ro")
        .section(".initrd", name.as_bytes())
}

fn log(name: &str, path: &str) -> LogBuilder {
    LogBuilder::default()
        .application(path, unified(name).digest())
        .section(b".linux\0")
        .section(&image(name).bytes())
        .section(b".cmdline\0")
        .section(b"root=/dev/mapper/root ro")
        .section(b".initrd\0")
        .section(name.as_bytes())
        .kernel_in_memory(image(name).digest())
}

const PATH: &str = r"\EFI\Linux\debian-6.1.0-9.efi";

#[test]
fn the_newest_image_beside_the_one_that_runs_counts() {
    let vm = Vm::new();
    vm.write("boot/efi/EFI/Linux/debian-6.1.0-9.efi", unified("nine").bytes());
    let log = log("nine", PATH);
    assert_eq!(new(&vm.next(&log).unwrap()), []);
    vm.write("boot/efi/EFI/Linux/debian-6.1.0-10.efi", unified("ten").bytes());
    let next = vm.next(&log).unwrap();
    let file = "/boot/efi/EFI/Linux/debian-6.1.0-10.efi";
    assert_eq!(
        new(&next),
        [
            (4, "unified kernel image".to_owned(), file),
            (4, "kernel, as the firmware measures it".to_owned(), file),
            (11, "section .linux".to_owned(), file),
            (11, "section .initrd".to_owned(), file),
        ]
    );
}

#[test]
fn an_image_that_was_replaced_is_read_in_its_place() {
    let vm = Vm::new();
    vm.write("efi/EFI/BOOT/BOOTX64.EFI", unified("ten").bytes());
    let next = vm.next(&log("nine", r"\EFI\BOOT\bootx64.efi")).unwrap();
    assert!(new(&next).contains(&(4, "unified kernel image".to_owned(), "/efi/EFI/BOOT/BOOTX64.EFI")));
}

#[test]
fn a_boot_loader_before_the_image_must_not_have_changed() {
    let vm = Vm::new();
    vm.write("boot/efi/EFI/systemd/systemd-bootx64.efi", image("loader").bytes());
    vm.write("boot/efi/EFI/Linux/debian-6.1.0-9.efi", unified("nine").bytes());
    let log = LogBuilder::default()
        .application(r"\EFI\systemd\systemd-bootx64.efi", image("loader").digest())
        .application(PATH, unified("nine").digest())
        .section(b".linux\0");
    assert_eq!(vm.next(&log).unwrap().unknown, Vec::<String>::new());
    vm.write("boot/efi/EFI/systemd/systemd-bootx64.efi", image("new loader").bytes());
    let expected = "/boot/efi/EFI/systemd/systemd-bootx64.efi, which was changed since this boot";
    assert_eq!(vm.next(&log).unwrap().unknown, [expected]);
}

#[test]
fn an_image_that_cannot_be_predicted_is_refused() {
    let vm = Vm::new();
    vm.write("boot/efi/EFI/Linux/debian-6.1.0-9.efi", image("no stub").bytes());
    assert!(matches!(vm.next(&log("nine", PATH)), Err(UpdateError::Unified { .. })));
}
