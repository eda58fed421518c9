//! The parts of a boot, and their medians.

use anyhow::{Context as _, ensure};

use super::Way;
use super::trace::{Run, Trace};
use crate::say;

/// The parts of one boot, in milliseconds. A way that has no such part took no time for it.
#[derive(Clone, Copy, Default)]
pub(super) struct Sample {
    /// The kernel, until the initrd's first program.
    kernel: f64,
    /// Getting an address.
    network: f64,
    /// Copying and checking the header of the volume.
    header: f64,
    /// The program that gets the key, or Clevis.
    request: f64,
    /// What of it the TPM took, and the broker.
    tpm: f64,
    broker: f64,
    /// cryptsetup, once it has the key.
    cryptsetup: f64,
    /// Closing the latch.
    latch: f64,
    /// The kernel and the initrd together, until the first program of the system.
    total: f64,
}

impl Sample {
    /// Reads a console.
    pub(super) fn read(console: &str, marker: &str) -> anyhow::Result<Self> {
        ensure!(console.contains(&format!("BOOT-MARKER {marker}")), "the system on the volume did not start");
        let (_, traced) = console.split_once("BOOT-MARKER").context("a report")?;
        let trace = Trace::parse(traced).context("the kernel's trace is not complete")?;
        let guest: Vec<&Run> = trace.of("vouchsafe-guest").collect();
        let clevis: Vec<&Run> = trace.of("clevis").collect();
        let mut sample = Self {
            kernel: trace.initrd,
            network: trace.total("ipconfig"),
            cryptsetup: trace.total("cryptsetup"),
            total: trace.system,
            ..Self::default()
        };
        let last = trace.of("cryptsetup").map(|run| run.end).fold(0.0, f64::max);
        // It is asked to register the header, too, and the configuration says no.
        if let [header, unlock, register, latch] = guest[..] {
            (sample.header, sample.request) = (header.duration(), unlock.duration());
            (sample.tpm, sample.broker) = spent(console)?;
            (sample.cryptsetup, sample.latch) = (last - unlock.end, register.duration() + latch.duration());
        } else {
            ensure!(guest.is_empty(), "the guest ran {} times", guest.len());
        }
        if let (Some(first), Some(key)) =
            (clevis.first(), trace.of("clevis-decrypt").max_by(|one, other| one.end.total_cmp(&other.end)))
        {
            sample.request = key.end - first.start.max(network_end(&trace));
            sample.cryptsetup = last - key.end;
        }
        Ok(sample)
    }

    fn initrd(&self) -> f64 {
        self.total - self.kernel
    }

    /// What in the initrd is not listed.
    fn rest(&self) -> f64 {
        self.initrd() - self.network - self.header - self.request - self.cryptsetup - self.latch
    }
}

/// When the card had its address.
fn network_end(trace: &Trace) -> f64 {
    trace.of("ipconfig").map(|run| run.end).fold(0.0, f64::max)
}

/// What the guest says about the TPM and the broker.
fn spent(console: &str) -> anyhow::Result<(f64, f64)> {
    let line = console.lines().find(|line| line.contains("volume root: released, decision"));
    let line = line.context("the guest does not say what it took")?;
    let before = |words: &str| {
        let number = line.split_once(words)?.0.rsplit(' ').next()?;
        number.parse::<f64>().ok()
    };
    let parts = before(" ms for the evidence").zip(before(" ms for the broker"));
    parts.context("the guest's line has no times")
}

/// A part by its name.
type Part = (&'static str, fn(&Sample) -> f64);

const PARTS: [Part; 10] = [
    ("kernel", |sample| sample.kernel),
    ("network", |sample| sample.network),
    ("header", |sample| sample.header),
    ("request of the key", |sample| sample.request),
    ("  of it TPM", |sample| sample.tpm),
    ("  of it broker", |sample| sample.broker),
    ("cryptsetup", |sample| sample.cryptsetup),
    ("latch", |sample| sample.latch),
    ("rest of the initrd", Sample::rest),
    ("total", |sample| sample.total),
];

/// Prints a table of medians, and what the broker adds.
pub(super) fn print(ways: &[Way; 3], samples: &[Vec<Sample>; 3]) -> anyhow::Result<()> {
    say(&format!("\nMedians of {} boots, ms", samples[0].len()))?;
    let names: String = ways.iter().map(|way| format!("{:>14}", way.name)).collect();
    say(&format!("{:<20}{names}", ""))?;
    for (name, part) in PARTS {
        let medians: String = samples.iter().map(|of| format!("{:>14.0}", median(of, part))).collect();
        say(&format!("{name:<20}{medians}"))?;
    }
    let ranges: String =
        samples.iter().map(|of| format!("{:>14}", range(of, |sample| sample.total))).collect();
    say(&format!("{:<20}{ranges}", "total, from to"))?;
    let [key_file, vouchsafe, clevis] = samples;
    let total = |of: &[Sample]| median(of, |sample| sample.total);
    let added = total(vouchsafe) - total(key_file);
    let beyond = added - median(vouchsafe, |sample| sample.network + sample.tpm);
    say(&format!(
        "vouchsafe adds {added:.0} ms to the boot with a key file, {beyond:.0} of them beyond network and TPM; Clevis with tang adds {:.0} ms",
        total(clevis) - total(key_file)
    ))?;
    for way in ways {
        say(&format!("initrd {}: {:.2} MB", way.name, megabytes(way.initrd)))?;
    }
    let [key_file, vouchsafe, clevis] = ways;
    say(&format!(
        "vouchsafe adds {:.2} MB to the initrd (the guest has {:.2} MB uncompressed), Clevis {:.2} MB",
        megabytes(vouchsafe.initrd) - megabytes(key_file.initrd),
        megabytes(vouchsafe.guest),
        megabytes(clevis.initrd) - megabytes(key_file.initrd)
    ))
}

fn median(samples: &[Sample], part: fn(&Sample) -> f64) -> f64 {
    let sorted = sorted(samples, part);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn range(samples: &[Sample], part: fn(&Sample) -> f64) -> String {
    let sorted = sorted(samples, part);
    let bound = |value: Option<&f64>| value.copied().unwrap_or_default();
    format!("{:.0}-{:.0}", bound(sorted.first()), bound(sorted.last()))
}

fn sorted(samples: &[Sample], part: fn(&Sample) -> f64) -> Vec<f64> {
    let mut values: Vec<_> = samples.iter().map(part).collect();
    values.sort_by(f64::total_cmp);
    values
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
