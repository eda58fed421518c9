//! The Helm chart as an archive. Helm's own `package` writes the time of each run into it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::Release;
use crate::archive::{Archive, gzip};

/// Writes the chart into a folder, with the digest of the image that it is for.
///
/// # Errors
/// When the chart is of another version, or does not ask for a digest.
pub(crate) fn write(release: &Release<'_>, digest: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let mut archive = Archive::new(release.epoch);
    add(release, &mut archive, &release.tree.join(FOLDER), NAME, digest)?;
    ensure!(archive.has(&format!("{NAME}/Chart.yaml")), "{FOLDER} has no Chart.yaml");
    // Helm expects this name.
    let file = folder.join(format!("{NAME}-{}.tgz", release.version));
    fs::write(&file, gzip(&archive.tar()?, 9)?).with_context(|| file.display().to_string())?;
    Ok(file)
}

fn add(
    release: &Release<'_>,
    archive: &mut Archive,
    from: &Path,
    to: &str,
    digest: &str,
) -> anyhow::Result<()> {
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let to = format!("{to}/{name}");
        if path.is_dir() {
            add(release, archive, &path, &to, digest)?;
            continue;
        }
        let mut text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        match name.as_str() {
            "Chart.yaml" => {
                for line in
                    [format!("version: {}", release.version), format!("appVersion: {}", release.version)]
                {
                    let same = text.lines().any(|one| one.replace('"', "") == line);
                    ensure!(same, "{}: there is no line {line:?}", path.display());
                }
            }
            "values.yaml" => {
                ensure!(
                    text.matches(NO_DIGEST).count() == 1,
                    "{}: there is no line {NO_DIGEST:?}",
                    path.display()
                );
                text = text.replace(NO_DIGEST, &format!("  digest: \"{digest}\"\n"));
            }
            _ => {}
        }
        archive.file(&to, text, 0o644)?;
    }
    Ok(())
}

const NAME: &str = "vouchsafe";
const FOLDER: &str = "packaging/helm/vouchsafe";
const NO_DIGEST: &str = "  digest: \"\"\n";
