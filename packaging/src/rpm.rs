//! Writes an RPM package with `rpmbuild`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::Compression;
use crate::command::output;
use crate::description::Format;
use crate::licences::Licences;
use crate::scripts;
use crate::stage::Stage;

/// Writes the package into a folder.
pub(crate) fn build(stage: &Stage<'_>, work: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let (release, package) = (stage.release, stage.package);
    let spec = work.join(format!("{}.spec", package.name));
    fs::write(&spec, text(stage)?)?;
    let out = work.join("rpms");
    let mut build = Command::new("rpmbuild");
    let top = format!("_topdir {}", work.join("rpmbuild").display());
    let to = format!("_rpmdir {}", out.display());
    build.args(["-bb", "--quiet", "--target", architecture(stage)]).arg(&spec);
    for define in [&top, &to, "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"] {
        build.args(["--define", define]);
    }
    for define in REPRODUCIBLE {
        build.args(["--define", define]);
    }
    build.args([
        "--define",
        match release.compression {
            Compression::Best => "_binary_payload w6.xzdio",
            Compression::Fast => "_binary_payload w1.gzdio",
        },
    ]);
    output(build.env("SOURCE_DATE_EPOCH", release.epoch.to_string()))?;
    let made = fs::read_dir(&out)?.next().context("rpmbuild wrote no package")??;
    let file = folder.join(made.file_name());
    fs::copy(made.path(), &file)?;
    Ok(file)
}

/// Nothing of the machine that builds, and files as they are: programs are stripped already.
const REPRODUCIBLE: [&str; 6] = [
    "_buildhost reproducible",
    "use_source_date_epoch_as_buildtime 1",
    "clamp_mtime_to_source_date_epoch 1",
    "_build_id_links none",
    "debug_package %{nil}",
    "__os_install_post %{nil}",
];

fn architecture(stage: &Stage<'_>) -> &'static str {
    if stage.package.is_for_all() { "noarch" } else { "x86_64" }
}

fn text(stage: &Stage<'_>) -> anyhow::Result<String> {
    let (release, package) = (stage.release, stage.package);
    let version = release.version();
    let same = package.same_version.iter().map(|name| format!("Requires: {name} = {version}\n"));
    // rpmbuild finds the libraries that programs name. These it cannot know.
    let loads = package.loads.iter().map(|library| format!("Requires: {library}()(64bit)\n"));
    let names = |key: &str, names: &[String]| -> String {
        names.iter().map(|name| format!("{key}: {name}\n")).collect()
    };
    let requires: String = same.chain(loads).collect();
    let requires = requires + &names("Requires", package.depends.of(Format::Rpm));
    let recommends = names("Recommends", package.recommends.of(Format::Rpm));
    Ok(format!(
        "Name: {}\nVersion: {}\nRelease: {}\nSummary: {}\nLicense: {}\nURL: {}\n{requires}{recommends}\n\
         %description\n{}\n\n%install\ncp -a {}/. %{{buildroot}}/\n\n{}%files\n%defattr(-,root,root,-)\n{}",
        package.name,
        release.version,
        release.description.revision,
        sentence(&package.summary),
        licence(stage)?,
        release.description.homepage,
        package.description.trim(),
        stage.root.display(),
        scripts::rpm(stage),
        files(stage)?
    ))
}

fn files(stage: &Stage<'_>) -> anyhow::Result<String> {
    let is_configuration = |path: &String| stage.package.configuration.iter().any(|file| file.to == *path);
    let folders = stage.own_folders()?.into_iter().map(|folder| format!("%dir {folder}\n"));
    let files = stage.files()?.into_iter().map(|file| match () {
        () if is_configuration(&file) => format!("%config(noreplace) {file}\n"),
        () if file.starts_with("/usr/share/licenses/") => format!("%license {file}\n"),
        () if file.starts_with("/usr/share/man/") => format!("%doc {file}\n"),
        () => format!("{file}\n"),
    });
    Ok(folders.chain(files).collect())
}

/// The conjunction of all licences in the package.
fn licence(stage: &Stage<'_>) -> anyhow::Result<String> {
    let third_party = stage.third_party()?;
    let others = third_party.iter().flat_map(Licences::conjuncts).filter(|licence| licence != OWN);
    Ok(std::iter::once(OWN.to_owned()).chain(others).collect::<Vec<_>>().join(" AND "))
}

const OWN: &str = "Apache-2.0";

/// RPM's summaries begin with a capital letter, Debian's do not.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    first + rest.as_str()
}
