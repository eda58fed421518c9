//! Platform, systemd and lockable memory.

use super::*;

#[test]
fn t37_systemd_that_takes_credentials_from_the_host_is_named() {
    let root = healthy();
    remove(&root, "usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-255.so");
    assert_eq!(status(&root, "systemd"), Some(Status::Warning));
    write(&root, "usr/lib/systemd/libsystemd-shared-252.so", "");
    assert!(examine(root.path()).finding("systemd").unwrap().what.starts_with("version 252"));
    remove(&root, "run/systemd");
    assert_eq!(status(&root, "systemd"), None);
}

#[test]
fn other_machines_are_named() {
    let root = healthy();
    write(&root, "sys/class/dmi/id/product_name", "Standard PC (Q35)\n");
    assert_eq!(status(&root, "platform"), Some(Status::Warning));
}

#[test]
fn t34_memory_that_cannot_be_locked_is_named_also_to_root() {
    let root = healthy();
    write(
        &root,
        "proc/self/limits",
        "Max locked memory         8388608              8388608              bytes\n",
    );
    for (capabilities, expected) in
        [("000001ffffffbfff", Status::Warning), ("0000000000004000", Status::Ok), ("", Status::Warning)]
    {
        write(&root, "proc/self/status", &format!("Name:\tx\nCapEff:\t{capabilities}\n"));
        assert_eq!(status(&root, "locked-memory"), Some(expected), "{capabilities}");
    }
}
