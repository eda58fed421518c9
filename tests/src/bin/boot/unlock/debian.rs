//! An installed Debian: makes initrds with its own tool, and encrypted volumes with cryptsetup.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use vouchsafe_packaging::description::{Description, Format, ProgramName};
use vouchsafe_packaging::{Compression, Release};

use super::kind::Kind;
use crate::disk::run;

/// The root of an installed system.
pub(super) struct Debian {
    root: PathBuf,
    /// Version of its kernel, as in the names of files.
    version: String,
}

impl Debian {
    /// Installs the guest with its configuration, and what makes an initrd use it.
    pub(super) fn with_guest(
        root: &Path,
        guest: &Path,
        configuration: &Path,
        kind: Kind,
    ) -> anyhow::Result<Self> {
        let version = kernel_version(root)?;
        let debian = Self { root: root.to_owned(), version };
        debian.unpack_packages(guest, kind)?;
        fs::create_dir_all(debian.path("etc/vouchsafe"))?;
        for file in fs::read_dir(configuration)? {
            let file = file?;
            fs::copy(file.path(), debian.path("etc/vouchsafe").join(file.file_name()))?;
        }
        Ok(debian)
    }

    /// Takes out what an earlier run has installed: a system that knows nothing of the guest.
    pub(super) fn without_guest(root: &Path) -> anyhow::Result<Self> {
        let script = "cd \"$0\" && find etc usr -depth -name '*vouchsafe*' -exec rm -rf {} +";
        run(Command::new("sh").args(["-c", script]).arg(root))?;
        Ok(Self { root: root.to_owned(), version: kernel_version(root)? })
    }

    /// Unpacks the packages that a user would install, made of this guest, so that what is booted is what is shipped.
    fn unpack_packages(&self, guest: &Path, kind: Kind) -> anyhow::Result<()> {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the tree")?;
        let description = Description::read(tree)?;
        let programs = [ProgramName::Guest, ProgramName::GuestInitrd].map(|name| (name, guest.to_owned()));
        let mut release = Release::new(tree, &description, programs.into())?;
        release.compression = Compression::Fast;
        let mut names = vec!["vouchsafe-guest", "vouchsafe-guest-initrd", "vouchsafe-guest-updates"];
        names.push(if kind.is_dracut() {
            "vouchsafe-guest-dracut"
        } else {
            "vouchsafe-guest-initramfs-tools"
        });
        names.extend((kind == Kind::Clevis).then_some("vouchsafe-clevis-pin"));
        let names: Vec<_> = names.into_iter().map(ToOwned::to_owned).collect();
        let folder = tempfile::tempdir()?;
        for package in release.build(&names, &[Format::Deb], folder.path())? {
            run(Command::new("dpkg-deb").arg("-x").arg(package).arg(&self.root))?;
        }
        Ok(())
    }

    /// The version of its kernel.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// A file of it.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Its kernel.
    pub(super) fn kernel(&self) -> PathBuf {
        let in_boot = self.path(&format!("boot/vmlinuz-{}", self.version));
        // Since Debian 14 it is in the folder of its modules.
        if in_boot.exists() { in_boot } else { self.path(&format!("lib/modules/{}/vmlinuz", self.version)) }
    }

    /// An initrd for its kernel, as a new kernel's package would have it made; with dracut, one that does not depend on the
    /// machine that makes it.
    pub(super) fn initrd(&self, kind: Kind, crypttab: &str) -> anyhow::Result<Vec<u8>> {
        fs::write(self.path("etc/crypttab"), crypttab)?;
        let version = &self.version;
        if kind.is_dracut() {
            self.run(["dracut", "--quiet", "--force", "--no-hostonly", "/srv/initrd", version])?;
        } else {
            self.run(["mkinitramfs", "-o", "/srv/initrd", version])?;
        }
        Ok(fs::read(self.path("srv/initrd"))?)
    }

    /// Another kernel, from an unpacked package, and an initrd for it, made in the same way.
    pub(super) fn older_kernel(&self, package: &Path, crypttab: &str) -> anyhow::Result<(PathBuf, Vec<u8>)> {
        let version = kernel_version(package)?;
        let modules = format!("lib/modules/{version}");
        let files = ["vmlinuz", "config"].map(|file| format!("boot/{file}-{version}"));
        let copied = self.path(&modules);
        run(Command::new("cp").arg("-r").arg(package.join(&modules)).arg(&copied))?;
        for file in &files {
            fs::copy(package.join(file), self.path(file))?;
        }
        let made = self
            .run(["depmod", &version])
            .and_then(|_| Self { version, root: self.root.clone() }.initrd(Kind::Grub, crypttab));
        // The next boots choose their kernel from what is here.
        fs::remove_dir_all(&copied)?;
        for file in &files {
            fs::remove_file(self.path(file))?;
        }
        let [kernel, _] = files;
        Ok((package.join(kernel), made?))
    }

    /// Runs a program in it.
    pub(super) fn run(&self, command: impl IntoIterator<Item = impl AsRef<OsStr>>) -> anyhow::Result<String> {
        // A mount namespace of its own, which ends with the program.
        let script = "mount --rbind /proc \"$0/proc\" && exec chroot \"$0\" \"$@\"";
        let mut inside = Command::new("unshare");
        inside.args(["--mount", "sh", "-c", script]).arg(&self.root).args(command);
        inside
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env_remove("LD_LIBRARY_PATH")
            .env_remove("TMPDIR");
        Ok(String::from_utf8(run(&mut inside)?)?)
    }

    /// The guest, its library for the TPM's device, and all libraries that they load: paths in this system.
    pub(super) fn guest_files(&self) -> anyhow::Result<Vec<String>> {
        let module = fs::read_dir(self.path("usr/lib/x86_64-linux-gnu"))?.flatten();
        let module = module.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let module = module.filter(|name| name.starts_with("libtss2-tcti-device.so"));
        let module = module.map(|name| format!("usr/lib/x86_64-linux-gnu/{name}"));
        Ok(module.chain(self.program(GUEST)?).collect())
    }

    /// A program and its libraries: paths in this system.
    pub(super) fn program(&self, path: &str) -> anyhow::Result<Vec<String>> {
        let listed = self.run(["ldd", &format!("/{path}")])?;
        let libraries = listed.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            words.find_map(|word| word.strip_prefix('/')).map(ToOwned::to_owned)
        });
        Ok(std::iter::once(path.to_owned()).chain(libraries).collect())
    }

    /// Modules of the kernel with those that they need, and the list of what needs which.
    pub(super) fn modules(&self, names: &[&str]) -> anyhow::Result<Vec<String>> {
        let folder = format!("lib/modules/{}", self.version);
        let list = format!("{folder}/modules.dep");
        let dependencies = fs::read_to_string(self.path(&list))?;
        let mut files = BTreeSet::from([list]);
        for name in names {
            let file = format!("/{name}.ko:");
            let line = dependencies.lines().find(|line| line.contains(&file));
            let line = line.with_context(|| format!("the kernel has no module {name}"))?.replace(':', "");
            files.extend(line.split_whitespace().map(|module| format!("{folder}/{module}")));
        }
        Ok(files.into_iter().collect())
    }
}

/// The version of the only kernel in a root.
pub(super) fn kernel_version(root: &Path) -> anyhow::Result<String> {
    let version = fs::read_dir(root.join("lib/modules"))?.next().context("there is no kernel")??;
    Ok(version.file_name().to_string_lossy().into_owned())
}

/// Where the guest is.
const GUEST: &str = "usr/bin/vouchsafe-guest";
