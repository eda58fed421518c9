//! The files of a package, as they will be installed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context as _, ensure};

use crate::command::output;
use crate::description::{File, Format, Package, Program};
use crate::elf::Stripped;
use crate::licences::Licences;
use crate::{Release, manual};

/// A folder with a package's files below it.
pub(crate) struct Stage<'a> {
    pub(crate) release: &'a Release<'a>,
    pub(crate) package: &'a Package,
    pub(crate) format: Format,
    pub(crate) root: PathBuf,
    /// Its programs.
    pub(crate) programs: Vec<Rc<Stripped>>,
}

impl<'a> Stage<'a> {
    /// Puts all files of a package into the folder `root`.
    pub(crate) fn fill(
        release: &'a Release<'a>,
        package: &'a Package,
        format: Format,
        root: PathBuf,
    ) -> anyhow::Result<Self> {
        let mut stage = Self { release, package, format, root, programs: Vec::new() };
        for program in &package.programs {
            stage.program(program)?;
        }
        for file in package.files.iter().filter(|file| file.formats.contains(&format)) {
            stage.copy(file)?;
        }
        for page in &package.manual {
            let text =
                fs::read_to_string(release.tree.join(&page.from)).with_context(|| page.from.clone())?;
            let name = Path::new(&page.from).file_name().context("a name")?.to_string_lossy();
            stage.manual_page(&name, &text)?;
        }
        for file in &package.configuration {
            stage.configuration(file)?;
        }
        stage.documents()?;
        Ok(stage)
    }

    /// Where a path of the installed system is now.
    pub(crate) fn path(&self, installed: &str) -> PathBuf {
        self.root.join(installed.trim_start_matches('/'))
    }

    /// Writes a file of the installed system.
    pub(crate) fn write(&self, installed: &str, content: &[u8], mode: u32) -> anyhow::Result<()> {
        write(&self.path(installed), content, mode)
    }

    /// Every file with its absolute path in the installed system, in order.
    pub(crate) fn files(&self) -> anyhow::Result<Vec<String>> {
        let mut found = BTreeSet::new();
        collect(&self.root, &self.root, &mut |path, folder| {
            if !folder {
                found.insert(path);
            }
        })?;
        Ok(found.into_iter().collect())
    }

    /// Folders that belong to this package, because of their name.
    pub(crate) fn own_folders(&self) -> anyhow::Result<Vec<String>> {
        let mut found = BTreeSet::new();
        collect(&self.root, &self.root, &mut |path, folder| {
            if folder && path.contains("vouchsafe") {
                found.insert(path);
            }
        })?;
        Ok(found.into_iter().collect())
    }

    fn program(&mut self, program: &Program) -> anyhow::Result<()> {
        let to = self.path(&program.to);
        let stripped = self.release.stripped(program.program)?;
        write(&to, &stripped.bytes, 0o755)?;
        self.programs.push(stripped);
        if let Some(name) = program.to.strip_prefix("/usr/bin/") {
            self.completions(&to, name)?;
            let page = manual::page(&to, name, self.package, self.release)?;
            self.manual_page(&format!("{name}.1"), &page)?;
        }
        Ok(())
    }

    fn completions(&self, program: &Path, name: &str) -> anyhow::Result<()> {
        let zsh = match self.format {
            Format::Deb => "vendor-completions",
            Format::Rpm => "site-functions",
        };
        for (shell, file) in [
            ("bash", format!("/usr/share/bash-completion/completions/{name}")),
            ("zsh", format!("/usr/share/zsh/{zsh}/_{name}")),
            ("fish", format!("/usr/share/fish/vendor_completions.d/{name}.fish")),
        ] {
            let text = output(Command::new(program).args(["completions", shell]))?;
            self.write(&file, &text, 0o644)?;
        }
        Ok(())
    }

    fn manual_page(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let (_, section) = name.rsplit_once('.').context("the section of a manual page")?;
        self.compressed(&format!("/usr/share/man/man{section}/{name}"), text)
    }

    /// Writes a file with `.gz` added to its name.
    fn compressed(&self, installed: &str, text: &str) -> anyhow::Result<()> {
        self.write(installed, text.as_bytes(), 0o644)?;
        output(Command::new("gzip").arg("-9n").arg(self.path(installed)))?;
        Ok(())
    }

    fn copy(&self, file: &File) -> anyhow::Result<()> {
        let from = self.release.tree.join(&file.from);
        if !from.is_dir() {
            return self.copy_one(file, &from, &file.to);
        }
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let to = format!("{}/{}", file.to, entry.file_name().to_string_lossy());
            self.copy_one(file, &entry.path(), &to)?;
        }
        Ok(())
    }

    fn copy_one(&self, file: &File, from: &Path, to: &str) -> anyhow::Result<()> {
        let mut text = fs::read_to_string(from).with_context(|| from.display().to_string())?;
        for (old, new) in &file.replace {
            ensure!(text.contains(old), "{}: there is no {old:?} to replace", from.display());
            text = text.replace(old, new);
        }
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        self.write(to, text.as_bytes(), mode)
    }

    /// RPM marks the file as one to keep. Debian's policy (10.7.3) allows conffiles only where the default works for most, and asks
    /// about changes at an upgrade; so there the scripts copy it once.
    fn configuration(&self, file: &File) -> anyhow::Result<()> {
        let to = match self.format {
            Format::Deb => self.shipped(file)?,
            Format::Rpm => file.to.clone(),
        };
        self.copy_one(file, &self.release.tree.join(&file.from), &to)
    }

    /// Where a Debian package has the first version of a configuration file.
    pub(crate) fn shipped(&self, file: &File) -> anyhow::Result<String> {
        let name = Path::new(&file.to).file_name().context("a name")?.to_string_lossy();
        Ok(format!("/usr/share/{}/{name}", self.package.name))
    }

    /// Licences, and what changed.
    fn documents(&self) -> anyhow::Result<()> {
        let (name, release) = (&self.package.name, self.release);
        let changes = release.file("CHANGELOG.md")?;
        let third_party = self.third_party()?;
        if self.format == Format::Rpm {
            let folder = format!("/usr/share/licenses/{name}");
            self.write(&format!("{folder}/LICENSE"), release.file("LICENSE")?.as_bytes(), 0o644)?;
            if let Some(licences) = &third_party {
                self.write(&format!("{folder}/{THIRD_PARTY}"), licences.file(name).as_bytes(), 0o644)?;
            }
            return self.write(&format!("/usr/share/doc/{name}/CHANGELOG.md"), changes.as_bytes(), 0o644);
        }
        let folder = format!("/usr/share/doc/{name}");
        if let Some(licences) = &third_party {
            self.compressed(&format!("{folder}/{THIRD_PARTY}"), &licences.file(name))?;
        }
        let copyright = self.copyright(third_party.as_ref())?;
        self.write(&format!("{folder}/copyright"), copyright.as_bytes(), 0o644)?;
        self.compressed(&format!("{folder}/changelog"), &changes)?;
        let version = release.version();
        let (maintainer, date) =
            (&release.description.maintainer, release.date("%a, %d %b %Y %H:%M:%S +0000")?);
        let changelog = format!(
            "{name} ({version}) unstable; urgency=medium\n\n  * What changed is in changelog.gz.\n\n -- {maintainer}  {date}\n"
        );
        self.compressed(&format!("{folder}/changelog.Debian"), &changelog)
    }

    /// What its programs contain of others.
    pub(crate) fn third_party(&self) -> anyhow::Result<Option<Licences>> {
        // Packages have one program at most, in any format.
        self.package.programs.first().map(|program| self.release.licences(program.program)).transpose()
    }

    /// In Debian's machine-readable format.
    fn copyright(&self, third_party: Option<&Licences>) -> anyhow::Result<String> {
        let comment = third_party.map_or_else(String::new, |licences| {
            let entry = |(title, licence, _): &(String, String, String)| format!("  {title}: {licence}\n");
            let entries: String = licences.entries.iter().map(entry).collect();
            format!(
                "Comment:\n The program also contains software of others, with these licences. Their\n \
                 texts are in /usr/share/doc/{}/{THIRD_PARTY}.gz.\n{entries}",
                self.package.name
            )
        });
        Ok(format!(
            "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: vouchsafe\nSource: {}\n\n\
             Files: *\nCopyright: {} the authors of vouchsafe\nLicense: Apache-2.0\n{comment}\nLicense: Apache-2.0\n\
             \x20On Debian systems, the text of the Apache License 2.0 is in\n\x20/usr/share/common-licenses/Apache-2.0.\n",
            self.release.description.homepage,
            self.release.date("%Y")?
        ))
    }
}

/// The file with the licences of others.
const THIRD_PARTY: &str = "THIRD-PARTY-LICENSES";

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, content: &[u8], mode: u32) -> anyhow::Result<()> {
    let folder = path.parent().context("a folder")?;
    fs::create_dir_all(folder)?;
    fs::write(path, content).with_context(|| path.display().to_string())?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

/// Calls for everything below a folder, with its absolute path in the installed system and whether it is a folder.
fn collect(root: &Path, folder: &Path, found: &mut impl FnMut(String, bool)) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, is_folder) = (entry.path(), entry.file_type()?.is_dir());
        if is_folder {
            collect(root, &path, found)?;
        }
        found(format!("/{}", path.strip_prefix(root)?.display()), is_folder);
    }
    Ok(())
}
