//! Writes the corpora of the parsers for updates, as `corpus.rs` does.

mod seeds;

use seeds::write;
use vouchsafe_protocol::Digest32;
use vouchsafe_reference_values::test_util::{ImageBuilder, LogBuilder};

#[test]
#[ignore = "writes the corpora that replay.rs runs over"]
fn write_updates() {
    let log = LogBuilder::default()
        .application(r"\EFI\debian\shimx64.efi", Digest32([1; 32]))
        .command("set timeout=0")
        .file("(hd0,gpt1)/grub/grub.cfg", b"content")
        .kernel_in_memory(Digest32([2; 32]))
        .command_line("/vmlinuz ro")
        .tagged(b"initrd");
    write("boot_log", "grub", &log.bytes());
    write("boot_log", "empty", &LogBuilder::default().bytes());
    let plain =
        "set timeout=0\nmenuentry 'A' --class os {\n\tlinux /vmlinuz root=$root ro\n\tinitrd /initrd\n}\n";
    write("grub_configuration", "plain", plain.replace("$root", "/dev/sda1").as_bytes());
    let guided = "if [ -s $prefix/grubenv ]; then\n load_env\nfi\nfunction f {\n set a=\"${1}\"\n}\nf x\nset default=\"${saved_entry}\"\n\
                  menuentry 'A' --id a {\n linux /vmlinuz ro\n}\nsubmenu 'B' {\n}\n---\n[ -s (hd0)/grubenv ]\nload_env\nf x\nset a=x\nset default=a\n\
                  setparams A\nlinux /vmlinuz ro\n";
    write("grub_configuration", "guided", guided.as_bytes());
    let kernel = ImageBuilder::program(b"kernel").bytes();
    write("efi_image", "program", &kernel);
    write("efi_image", "grub", &ImageBuilder::grub("2.12").bytes());
    let unified = ImageBuilder::stub_of(255, &[".linux", ".cmdline", ".initrd", ".pcrsig"])
        .section(".linux", &kernel)
        .section(".cmdline", b"root=/dev/sda1 ro")
        .section(".initrd", b"initrd");
    write("efi_image", "unified", &unified.bytes());
}
