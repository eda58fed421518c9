//! Whether an initrd is running, and which kind.

use std::path::Path;

use crate::config::Stage;

/// The kind of the running initrd, by the program that decides what happens when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initrd {
    /// Debian's and Ubuntu's scripts.
    InitramfsTools,
    /// dracut, or systemd without it.
    Dracut,
}

impl Initrd {
    /// The initrd below `root`, or `None` for the system after it.
    ///
    /// initramfs-tools always copies its configuration; every initrd with systemd, and each of dracut, has
    /// `/etc/initrd-release`, which is how systemd recognises an initrd.
    #[must_use]
    pub fn find(root: &Path) -> Option<Self> {
        if root.join("conf/initramfs.conf").exists() {
            return Some(Self::InitramfsTools);
        }
        root.join("etc/initrd-release").exists().then_some(Self::Dracut)
    }

    /// The stage of a boot with this initrd, or without one.
    #[must_use]
    pub const fn stage(initrd: Option<Self>) -> Stage {
        match initrd {
            Some(_) => Stage::Initrd,
            None => Stage::System,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_initrd_is_known_by_its_files() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        assert_eq!(Initrd::find(root.path()), None);
        assert_eq!(Initrd::stage(None), Stage::System);
        write("etc/initrd-release");
        assert_eq!(Initrd::find(root.path()), Some(Initrd::Dracut));
        // Scripts of initramfs-tools run in it, whatever else it has.
        write("conf/initramfs.conf");
        assert_eq!(Initrd::find(root.path()), Some(Initrd::InitramfsTools));
        assert_eq!(Initrd::stage(Some(Initrd::Dracut)), Stage::Initrd);
    }
}
