//! The lowest layer of the image: libraries and certificates out of Debian's own packages, which apt fetches and verifies.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};
use tar::EntryType;

use crate::archive::Archive;
use crate::command::{output, text};

/// A package of Debian in the image.
pub(crate) struct BasePackage {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Of the `.deb` file, in hex.
    pub(crate) sha256: String,
    file: PathBuf,
}

impl BasePackage {
    /// The packages with these names, and those with their licences: from a folder, into which apt fetches what is missing.
    ///
    /// # Errors
    /// When apt cannot fetch one.
    pub(crate) fn fetch(names: &[String], folder: &Path) -> anyhow::Result<Vec<Self>> {
        fs::create_dir_all(folder)?;
        let (mut found, mut names) = (Vec::<Self>::new(), names.to_vec());
        while let Some(name) = names.pop() {
            if found.iter().any(|package| package.name == name) {
                continue;
            }
            let package = Self::one(&name, folder)?;
            // The licence of GCC's libraries is in a package of its own, whose name has GCC's version.
            let depends = package.field("Depends")?;
            let needed = depends.split(", ").filter_map(|one| one.split(' ').next());
            names.extend(needed.filter(|name| name.starts_with("gcc-")).map(ToOwned::to_owned));
            found.push(package);
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    fn one(name: &str, folder: &Path) -> anyhow::Result<Self> {
        if Self::there(name, folder)?.is_none() {
            let download = || {
                let mut apt = Command::new("apt-get");
                output(
                    apt.args(["-q", "-o", "APT::Sandbox::User=root", "download", name]).current_dir(folder),
                )
            };
            // The lists of a fresh system are empty, those of an old one name packages that are gone.
            if download().is_err() {
                output(Command::new("apt-get").args(["-q", "update"]))?;
                download().with_context(|| format!("{name}, for the image"))?;
            }
        }
        let file = Self::there(name, folder)?;
        let file =
            file.with_context(|| format!("{name}: apt-get wrote no package to {}", folder.display()))?;
        let sha256 = hex::encode(Sha256::digest(fs::read(&file)?));
        let mut package = Self { name: name.to_owned(), version: String::new(), sha256, file };
        package.version = package.field("Version")?;
        Ok(package)
    }

    fn there(name: &str, folder: &Path) -> anyhow::Result<Option<PathBuf>> {
        let start = format!("{name}_");
        let files = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
        let is_it = |path: &PathBuf| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            file.starts_with(&start) && file.ends_with(".deb")
        };
        let found: Vec<_> = files.filter(is_it).collect();
        ensure!(
            found.len() < 2,
            "{}: has more than one version of {name}: remove all but one",
            folder.display()
        );
        Ok(found.into_iter().next())
    }

    fn field(&self, name: &str) -> anyhow::Result<String> {
        Ok(text(Command::new("dpkg-deb").arg("-f").arg(&self.file).arg(name))?.trim().to_owned())
    }

    /// Adds what a program needs of it: libraries, certificates, and its licence.
    pub(crate) fn add_to(&self, root: &mut Archive) -> anyhow::Result<()> {
        // Where scanners of images look for installed packages.
        let control = text(Command::new("dpkg-deb").arg("-f").arg(&self.file))?;
        root.file(&format!("var/lib/dpkg/status.d/{}", self.name), control, 0o644)?;
        let unpack = Command::new("dpkg-deb")
            .arg("--fsys-tarfile")
            .arg(&self.file)
            .stdout(Stdio::piped())
            .spawn()
            .context("dpkg-deb")?;
        let mut unpack = unpack;
        let mut files = tar::Archive::new(unpack.stdout.take().context("its output")?);
        let mut certificates = Vec::new();
        for entry in files.entries()? {
            let mut entry = entry?;
            let path = merged(&entry.path()?.to_string_lossy());
            if is_certificate(&path) {
                let mut pem = String::new();
                entry.read_to_string(&mut pem)?;
                certificates.push((path, pem));
            } else if is_needed(&path) {
                match entry.header().entry_type() {
                    EntryType::Symlink => {
                        let target = entry.link_name()?.context("a link")?.to_string_lossy().into_owned();
                        root.link(&path, &target)?;
                    }
                    EntryType::Regular => {
                        let (mut bytes, mode) = (Vec::new(), entry.header().mode()?);
                        entry.read_to_end(&mut bytes)?;
                        root.file(&path, bytes, mode)?;
                    }
                    _ => {}
                }
            }
        }
        drop(files);
        ensure!(unpack.wait()?.success(), "dpkg-deb: cannot unpack {}", self.file.display());
        certificates.sort();
        if !certificates.is_empty() {
            let all: String = certificates.into_iter().map(|(_, pem)| pem).collect();
            root.file("etc/ssl/certs/ca-certificates.crt", all, 0o644)?;
        }
        Ok(())
    }
}

/// A path of a package, where all of the system is in /usr. Packages of Debian 12 have libraries in /lib yet.
fn merged(path: &str) -> String {
    let path = path.trim_start_matches("./").trim_end_matches('/');
    if path.starts_with("lib") { format!("usr/{path}") } else { path.to_owned() }
}

fn is_needed(path: &str) -> bool {
    let library = path.starts_with("usr/lib/x86_64-linux-gnu/") || path.starts_with("usr/lib64/");
    // Converters of character sets, and hooks of the loader.
    let unused = ["/gconv/", "/audit/"].iter().any(|part| path.contains(part));
    let licence = path.starts_with("usr/share/doc/");
    library && path.contains(".so") && !unused || licence && is_copyright(path)
}

/// A licence, or the link to the folder with one.
fn is_copyright(path: &str) -> bool {
    path.ends_with("/copyright") || path.split('/').count() == 4
}

fn is_certificate(path: &str) -> bool {
    path.starts_with("usr/share/ca-certificates/") && path.ends_with(".crt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_licences_are_taken() {
        for (path, taken) in [
            ("./lib/x86_64-linux-gnu/libc.so.6", true),
            ("./usr/lib/x86_64-linux-gnu/libm.so.6", true),
            ("./lib64/ld-linux-x86-64.so.2", true),
            ("./usr/share/doc/libc6/copyright", true),
            ("./usr/share/doc/libgcc-s1", true),
            ("./usr/share/doc/libc6/changelog.Debian.gz", false),
            ("./usr/lib/x86_64-linux-gnu/gconv/IBM1.so", false),
            ("./etc/ld.so.conf.d/x.conf", false),
            ("./usr/sbin/update-ca-certificates", false),
        ] {
            assert_eq!(is_needed(&merged(path)), taken, "{path}");
        }
        assert_eq!(merged("./lib/x86_64-linux-gnu/libc.so.6"), "usr/lib/x86_64-linux-gnu/libc.so.6");
        assert!(is_certificate(&merged("./usr/share/ca-certificates/mozilla/A.crt")));
    }

    #[test]
    fn two_versions_of_a_package_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["1", "2"] {
            fs::write(folder.path().join(format!("libc6_{version}_amd64.deb")), "").unwrap();
        }
        let error = BasePackage::fetch(&["libc6".to_owned()], folder.path()).err().unwrap().to_string();
        assert!(error.ends_with("has more than one version of libc6: remove all but one"), "{error}");
    }
}
