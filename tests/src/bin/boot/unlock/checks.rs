//! What a console has to say, and what it must not.

use std::fs::File;
use std::io::Read as _;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vouchsafe_protocol::Digest32;

use super::Bench;
use super::volume::DATA_OFFSET;

/// The system on the encrypted volume reported, was refused the key, and got what is for the phase `latched`.
pub(super) fn unlocked(bench: &Bench<'_>, console: &str) -> anyhow::Result<String> {
    system(bench, console)?;
    let latched = said(console, "BOOT-LATCHED ")?;
    ensure!(latched == "exit=0 bytes=32", "a secret for the phase `latched`: {latched}");
    Ok("the root file system is on the unlocked volume, and the key is not released again".to_owned())
}

/// The recovery code opened the volume: the system on it reported, and gets nothing that a system unlocked by attestation gets.
pub(super) fn recovered(bench: &Bench<'_>, console: &str) -> anyhow::Result<String> {
    let line = report(console)?;
    ensure!(
        line.contains("refused (not-granted)"),
        "the console does not say that the key was refused: {line}"
    );
    booted(bench, console)?;
    Ok("the recovery code opened the volume; the key and a secret for the phase `latched` are not released"
        .to_owned())
}

/// The same after Clevis, which had the key from the broker.
pub(super) fn by_clevis(bench: &Bench<'_>, console: &str) -> anyhow::Result<String> {
    let line = report(console)?;
    ensure!(line.contains("released, decision"), "the console does not name the release: {line}");
    let granted = bench.site.explain(line)?;
    ensure!(granted.contains("Granted at"), "explain does not show a grant:\n{granted}");
    booted(bench, console)?;
    Ok("Clevis opened the volume; the key and a secret for the phase `latched` are not released".to_owned())
}

/// The system reported, and the phase is `booted`.
fn booted(bench: &Bench<'_>, console: &str) -> anyhow::Result<()> {
    system(bench, console)?;
    let latched = said(console, "BOOT-LATCHED ")?;
    ensure!(latched == "exit=10 bytes=0", "a secret for the phase `latched`: {latched}");
    for request in ["BOOT-AGAIN", "BOOT-LATCHED"] {
        let (_, why) = console.split_once(request).context("a request")?;
        let explained = bench.site.explain(why)?;
        ensure!(explained.contains("booted"), "explain does not name the phase booted:\n{explained}");
    }
    Ok(())
}

/// The system on the encrypted volume reported, and was refused the key.
fn system(bench: &Bench<'_>, console: &str) -> anyhow::Result<()> {
    let said = |start: &str| said(console, start);
    let marker = said("BOOT-MARKER ")?;
    ensure!(marker == bench.marker, "the marker is {marker}, not the one of the volume");
    let root = said("BOOT-ROOT ")?;
    ensure!(root.starts_with("/dev/mapper/root / ext4"), "the root file system is {root}");
    let volume = said("BOOT-VOLUME ")?;
    ensure!(volume.starts_with("root CRYPT-LUKS2-"), "it is on {volume}");
    let again = said("BOOT-AGAIN ")?;
    ensure!(again == "exit=10 bytes=0", "the second request for the key: {again}");
    let (_, why) = console.split_once("BOOT-AGAIN").context("a second request")?;
    let explained = bench.site.explain(why)?;
    ensure!(explained.contains("phase"), "explain does not name the phase:\n{explained}");
    Ok(())
}

/// The broker knows the header of the volume, which the guest registered before the latch.
pub(super) fn registered(bench: &Bench<'_>) -> anyhow::Result<()> {
    let mut header = Vec::new();
    File::open(bench.volumes.first().context("a volume")?)?.take(DATA_OFFSET).read_to_end(&mut header)?;
    let digest = Digest32::of(&header).to_string();
    let volumes = bench.site.volumes()?;
    let start = digest.get(..8).context("a digest")?;
    ensure!(volumes.contains(start), "the header {digest} is not registered:\n{volumes}");
    Ok(())
}

/// The installed system reported the same, and what it got after the initrd.
pub(super) fn installed(bench: &Bench<'_>, console: &str) -> anyhow::Result<String> {
    system(bench, console)?;
    let data = said(console, "BOOT-DATA ")?;
    ensure!(data == bench.data_marker, "the data volume starts with {data}");
    ensure!(said(console, "BOOT-APP ")? == "exit=0", "the service with a credential did not start");
    let digest = hex::encode(Digest32::of(&bench.credential).as_bytes());
    let credential = said(console, "BOOT-CREDENTIAL ")?;
    ensure!(credential.starts_with(&digest), "the digest of the credential is {credential}");
    let other = said(console, "BOOT-OTHER ")?;
    ensure!(other == "exit=1", "a service that the configuration does not name: {other}");
    ensure!(console.contains("BOOT-END"), "the journal is not complete");
    Ok("systemd unlocked the root file system and, after the latch, a data volume; a service has its credential".to_owned())
}

/// The rest of the line that starts with this.
pub(super) fn said<'a>(console: &'a str, start: &str) -> anyhow::Result<&'a str> {
    let line = console.lines().find_map(|line| line.strip_prefix(start));
    line.map(str::trim).with_context(|| format!("the console has no line {start}"))
}

pub(super) fn ensure_shut(bench: &Bench<'_>, console: &str) -> anyhow::Result<()> {
    ensure!(!console.contains(&bench.marker), "the volume was unlocked");
    Ok(())
}

pub(super) fn ensure_no_shell(console: &str) -> anyhow::Result<()> {
    ensure!(!SHELLS.iter().any(|shell| console.contains(shell)), "there is a shell");
    Ok(())
}

/// The guest's line about the volume.
pub(super) fn report(console: &str) -> anyhow::Result<&str> {
    let start = "vouchsafe-guest: volume root: ";
    let found = console.lines().find_map(|line| Some(line.split_at(line.find(start)?).1));
    found.context("the console has no line about the volume")
}

/// A secret is nowhere in a text or file: raw, in hex or in Base64.
pub(super) fn ensure_no_key(bytes: &[u8], secret: &[u8]) -> anyhow::Result<()> {
    let (hex, base64) = (hex::encode(secret), STANDARD.encode(secret));
    let base64 = base64.trim_end_matches('=');
    let found = [secret, hex.as_bytes(), base64.as_bytes()]
        .iter()
        .any(|form| bytes.windows(form.len()).any(|window| window == *form));
    ensure!(!found, "a secret can be read");
    Ok(())
}

/// What a shell of an initrd prints before it reads.
const SHELLS: [&str; 3] = ["(initramfs)", "Entering emergency mode", "for maintenance"];
