//! Writes the corpus of proxies' headers: `cargo test -p vouchsafe-fuzz-targets -- --ignored`.

use std::fs;
use std::path::PathBuf;

#[test]
#[ignore = "writes the corpus that replay.rs runs over"]
fn write_corpus_of_proxy_headers() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../corpus/proxy_header");
    fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, command: u8, family: u8, rest: &[u8]| {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        let header = [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, rest].concat();
        fs::write(folder.join(name), header).unwrap();
    };
    let ports = [0x30, 0x39, 0x20, 0xfb];
    write("tcp4", 0x21, 0x11, &[[192, 0, 2, 7], [198, 51, 100, 1], ports].concat());
    let [source, target] =
        [7, 1].map(|last| [[0x20, 1, 0xd, 0xb8], [0; 4], [0; 4], [0, 0, 0, last]].concat());
    // Vectors of a balancer follow the addresses.
    let vectors = [&[4, 0, 1, 0, 0xe0, 0, 8][..], &[0; 8]].concat();
    write("tcp6_vectors", 0x21, 0x21, &[&source[..], &target, &ports, &vectors].concat());
    write("local", 0x20, 0, &[]);
    write("unix", 0x21, 0x31, &[0; 216]);
}
