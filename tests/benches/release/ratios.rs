//! The table at the end: ratios of this run's measurements.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;

/// Criterion's output folder, and the start of this run.
pub(super) struct Output {
    folder: PathBuf,
    since: SystemTime,
}

/// One measurement in nanoseconds.
struct Measured {
    median: f64,
    /// The fastest sample, which is least disturbed by other load on the machine.
    fastest: f64,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

impl Output {
    /// A folder next to the one that this program was built into.
    pub(super) fn new() -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let target = program.ancestors().nth(3).unwrap_or(Path::new("."));
        let folder = target.join("criterion");
        fs::create_dir_all(&folder)?;
        let marker = folder.join("started");
        fs::write(&marker, [])?;
        Ok(Self { since: fs::metadata(&marker)?.modified()?, folder })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Prints the ratios whose two sides were both measured.
    pub(super) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{:<62} {:>9} {:>9} {:>9}", "ratios", "median", "fastest", "at most")?;
        for (this, floor, target) in RATIOS {
            let (Some(a), Some(b)) = (self.measured(this), self.measured(floor)) else { continue };
            let line = format!("{this} / {floor} = {:.1} / {:.1} us", a.median / 1e3, b.median / 1e3);
            let (median, fastest) = (a.median / b.median, a.fastest / b.fastest);
            let target = target.map_or_else(String::new, |target| target.to_string());
            writeln!(out, "{line:<62} {median:>9.2} {fastest:>9.2} {target:>9}")?;
        }
        Ok(())
    }

    fn measured(&self, name: &str) -> Option<Measured> {
        let folder = self.folder.join(name).join("new");
        let (estimates, sample) = (folder.join("estimates.json"), folder.join("sample.json"));
        if fs::metadata(&estimates).ok()?.modified().ok()? < self.since {
            return None;
        }
        let estimates: Estimates = serde_json::from_slice(&fs::read(estimates).ok()?).ok()?;
        let sample: Sample = serde_json::from_slice(&fs::read(sample).ok()?).ok()?;
        let each = sample.times.iter().zip(&sample.iters).map(|(time, count)| time / count);
        Some(Measured {
            median: estimates.median.point_estimate,
            fastest: each.fold(f64::INFINITY, f64::min),
        })
    }
}

/// The step, its floor, and the maximum ratio.
const RATIOS: [(&str, &str, Option<f64>); 16] = [
    ("release_snp_known", "floor_snp", Some(1.8)),
    ("release_vtpm_known", "floor_vtpm", Some(3.0)),
    ("release_snp_first", "floor_snp_first", None),
    ("release_vtpm_first", "floor_vtpm_first", None),
    ("verify/snp_known", "verify/bare_p384", None),
    ("verify/snp_first", "verify/bare_rsa4096_pss", None),
    ("verify/vtpm_known", "verify/bare_rsa2048", None),
    ("verify/vtpm_first", "verify/bare_hash_of_log", None),
    ("token/pki_known", "token/bare_rsa2048", Some(2.0)),
    ("token/oidc", "token/bare_rsa2048", None),
    ("tdx/known", "tdx/bare_3_p256_and_hash", Some(1.6)),
    ("tdx/platform_first", "tdx/bare_3_p256_and_hash", Some(1.6)),
    ("wrap/wrap_xwing", "wrap/bare_xwing", None),
    ("wrap/wrap_x25519", "wrap/bare_x25519", None),
    ("sign/answer", "sign/bare_ed25519", None),
    ("at_rest/unseal", "at_rest/bare_aes_gcm", None),
];
