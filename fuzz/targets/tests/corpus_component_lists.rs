//! Writes the corpus of component lists: `cargo test -p vouchsafe-fuzz-targets -- --ignored`.

mod seeds;

use vouchsafe_policy::{ComponentList, ExpiringEntries, ListTerms};
use vouchsafe_protocol::request::CarriedLists;
use vouchsafe_protocol::{Digest32, UnixTime, UpdateSigningKey};
use zeroize::Zeroizing;

#[test]
#[ignore = "writes the corpus that replay.rs runs over"]
fn write_corpus_of_component_lists() {
    let write = |name: &str, bytes: &[u8]| seeds::write("component_list", name, bytes);
    let key = UpdateSigningKey::from_seed(&Zeroizing::new([1; 32])).unwrap();
    let digest = |byte| Digest32([byte; 32]).into();
    let grub = ExpiringEntries {
        command_lines: vec!["/vmlinuz ro".to_owned()],
        configuration: vec![digest(1)],
        grub: vec![digest(2)],
        grub_commands: vec!["linux /vmlinuz ro".to_owned()],
        initrd: vec![digest(3)],
        kernel: vec![digest(4)],
        kernel_image: vec![digest(5)],
        load_options: vec![digest(6)],
        loaded_initrd: vec![digest(3)],
        shim: vec![digest(7)],
        ..ExpiringEntries::default()
    };
    let uki = ExpiringEntries {
        sections: [(".linux".to_owned(), vec![digest(8)]), (".initrd".to_owned(), vec![digest(9)])].into(),
        uki: vec![digest(10), digest(11)],
        ..ExpiringEntries::default()
    };
    for (name, components) in [("grub", grub), ("uki", uki), ("empty", ExpiringEntries::default())] {
        let baseline = "prod/image".parse().unwrap();
        let terms = ListTerms { baseline, version: 5, issued_at: UnixTime(1), ends_at: UnixTime(2) };
        write(name, ComponentList::sign(&key, terms, components).to_json().as_bytes());
    }
    let carried = CarriedLists::new(vec![b"one"[..].into(), b"two"[..].into()]).unwrap();
    write("carried", &serde_json::to_vec(&carried).unwrap());
}
