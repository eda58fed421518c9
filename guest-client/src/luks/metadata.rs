//! The JSON metadata. What cryptsetup checks of it is in its lib/luks2/luks2_json_metadata.c; this is narrower.

use super::error::HeaderError;
use super::json;
use super::keyslot::{FULL_COST, Kdf, Keyslot, iterations};
use super::members::{Members, decimal};

/// The only cipher that is accepted, for data and for key slots. It has been cryptsetup's default since 2013 and is fast on every
/// processor with confidential VMs; each further name would be another mode to reason about.
pub const CIPHER: &str = "aes-xts-plain64";

/// What the metadata says.
pub(super) struct Metadata {
    pub(super) data_offset: u64,
    pub(super) sector_size: u64,
    pub(super) keyslots: Vec<Keyslot>,
    pub(super) flags: Vec<String>,
}

/// Checks the JSON area of a copy with `header_size` bytes.
pub(super) fn parse(area: &[u8], header_size: u64, largest: u64) -> Result<Metadata, HeaderError> {
    let mut top = Members::top(json::parse(text(area)?)?)?;
    // 1. What stands in for features that we do not know.
    let mut config = top.object("config")?;
    check_requirements(&mut config)?;
    // 2. One segment, from an offset to the end of the device.
    let (data_offset, sector_size) = segment(top.object("segments")?, largest)?;
    // 3. Sizes and flags.
    let areas = key_areas(&mut config, header_size, data_offset)?;
    let flags = flags(&mut config)?;
    config.finish()?;
    // 4. Key slots, whose areas are inside of theirs, and apart.
    let keyslots = keyslots(top.object("keyslots")?)?;
    check_areas(&keyslots, areas)?;
    // 5. One digest, which ties the key of every slot to the segment.
    let digest_cost = check_digest(top.object("digests")?, &keyslots)?;
    // 6. The costs together: cryptsetup may try one slot after the other.
    let cost = digest_cost + keyslots.iter().map(|keyslot| keyslot.kdf.cost()).sum::<u64>();
    if cost > MAX_COST {
        return Err(HeaderError::KdfTotal);
    }
    // 7. No other way to a key than ours.
    check_tokens(top.object("tokens")?)?;
    top.finish()?;
    Ok(Metadata { data_offset, sector_size, keyslots, flags })
}

/// The text of the area, behind which there are only zeros, one at least.
fn text(area: &[u8]) -> Result<&[u8], HeaderError> {
    let length = area.iter().position(|byte| *byte == 0).ok_or(HeaderError::JsonArea)?;
    let (text, rest) = area.split_at_checked(length).ok_or(HeaderError::JsonArea)?;
    let object = text.first() == Some(&b'{') && text.last() == Some(&b'}');
    if !object || rest.iter().any(|byte| *byte != 0) {
        return Err(HeaderError::JsonArea);
    }
    Ok(text)
}

/// A requirement is a feature that must not be ignored. We have none of them.
fn check_requirements(config: &mut Members) -> Result<(), HeaderError> {
    if !config.has("requirements") {
        return Ok(());
    }
    let mut requirements = config.object("requirements")?;
    match requirements.texts_if_any("mandatory")?.into_iter().next() {
        Some(name) if name.contains("reencrypt") => Err(HeaderError::Reencryption),
        Some(found) => Err(HeaderError::Requirement { found }),
        None => requirements.finish(),
    }
}

/// Offset of the data and size of its sectors.
fn segment(segments: Members, largest: u64) -> Result<(u64, u64), HeaderError> {
    let mut segments = segments.numbered(OBJECTS)?;
    let found = segments.len();
    // cryptsetup opens the segment 0.
    let Some(mut segment) = segments.remove(&0).filter(|_| found == 1) else {
        return Err(HeaderError::SegmentCount { found });
    };
    let found = segment.text("type")?;
    if found != "crypt" {
        return Err(HeaderError::SegmentType { found });
    }
    if segment.has("flags") {
        return Err(HeaderError::Reencryption);
    }
    if segment.has("integrity") {
        return Err(HeaderError::Integrity);
    }
    let found = segment.text("encryption")?;
    if found != CIPHER {
        return Err(HeaderError::Cipher { found });
    }
    let found = segment.long("iv_tweak")?;
    if found != 0 {
        return Err(HeaderError::IvTweak { found });
    }
    let found = segment.text("size")?;
    if found != "dynamic" {
        return Err(HeaderError::SegmentSize { found });
    }
    let sector_size = segment.number("sector_size")?;
    if !matches!(sector_size, 512 | 1024 | 2048 | 4096) {
        return Err(HeaderError::SectorSize { found: sector_size });
    }
    let offset = segment.long("offset")?;
    if offset % sector_size != 0 || offset > largest {
        return Err(HeaderError::DataOffset { found: offset });
    }
    segment.finish()?;
    Ok((offset, sector_size))
}

/// First byte of the areas of key slots, and the one behind them.
fn key_areas(config: &mut Members, header_size: u64, data_offset: u64) -> Result<(u64, u64), HeaderError> {
    let found = config.long("json_size")?;
    if found != header_size - super::binary::BINARY as u64 {
        return Err(HeaderError::JsonSize { found });
    }
    let start = 2 * header_size;
    let found = config.long("keyslots_size")?;
    match start.checked_add(found) {
        Some(end) if end <= data_offset && found % 4096 == 0 => Ok((start, end)),
        _ => Err(HeaderError::KeyslotsSize { found }),
    }
}

/// Flags of dm-crypt that are kept with the volume.
fn flags(config: &mut Members) -> Result<Vec<String>, HeaderError> {
    let flags = config.texts_if_any("flags")?;
    match flags.iter().find(|flag| !FLAGS.contains(&flag.as_str())) {
        Some(found) => Err(HeaderError::Flag { found: found.clone() }),
        None => Ok(flags),
    }
}

/// cryptsetup tries the tokens of a header before the key that it is given, and loads the plugin that a token names. So a token is a way
/// to a key of somebody else's.
fn check_tokens(tokens: Members) -> Result<(), HeaderError> {
    match tokens.numbered(OBJECTS)?.pop_first() {
        Some((_, mut token)) => Err(HeaderError::Token { found: token.text("type")? }),
        None => Ok(()),
    }
}

fn keyslots(keyslots: Members) -> Result<Vec<Keyslot>, HeaderError> {
    let parse = |(slot, members)| Keyslot::parse(slot, members);
    let keyslots: Vec<_> = keyslots.numbered(OBJECTS)?.into_iter().map(parse).collect::<Result<_, _>>()?;
    let first = keyslots.first().ok_or(HeaderError::NoKeyslot)?;
    match keyslots.iter().find(|other| other.key_size != first.key_size) {
        Some(other) => Err(HeaderError::KeySize { slot: other.slot, found: other.key_size }),
        None => Ok(keyslots),
    }
}

fn check_areas(keyslots: &[Keyslot], (start, end): (u64, u64)) -> Result<(), HeaderError> {
    let mut areas = Vec::new();
    for Keyslot { slot, offset, size, .. } in keyslots {
        match offset.checked_add(*size) {
            Some(area_end) if *offset >= start && area_end <= end => areas.push((*offset, area_end, *slot)),
            _ => return Err(HeaderError::AreaBounds { slot: *slot }),
        }
    }
    areas.sort_unstable();
    for (one, other) in areas.iter().zip(areas.iter().skip(1)) {
        if other.0 < one.1 {
            return Err(HeaderError::AreaOverlap { slot: one.2.min(other.2), other: one.2.max(other.2) });
        }
    }
    Ok(())
}

/// Without a digest of its key, any key would open a segment. Returns the cost of comparing a key with it.
fn check_digest(digests: Members, keyslots: &[Keyslot]) -> Result<u64, HeaderError> {
    let mut digests = digests.numbered(DIGESTS)?;
    let found = digests.len();
    let Some((_, mut digest)) = digests.pop_first().filter(|_| found == 1) else {
        return Err(HeaderError::DigestCount { found });
    };
    let found = digest.text("type")?;
    if found != "pbkdf2" {
        return Err(HeaderError::DigestType { found });
    }
    let mut named: Vec<_> = digest.texts("keyslots")?.iter().map(|name| decimal(name)).collect();
    named.sort_unstable();
    if !named.into_iter().eq(keyslots.iter().map(|keyslot| Some(u64::from(keyslot.slot)))) {
        return Err(HeaderError::DigestKeyslots);
    }
    if digest.texts("segments")? != ["0"] {
        return Err(HeaderError::DigestSegments);
    }
    let (hash, iterations) = iterations(&mut digest)?;
    digest.salt()?;
    if digest.bytes("digest")?.is_none_or(|bytes| bytes.len() != hash.length()) {
        return Err(HeaderError::DigestLength);
    }
    digest.finish()?;
    Ok(Kdf::Pbkdf2 { iterations }.cost())
}

/// As in cryptsetup: `LUKS2_OBJECTS_MAX`, `LUKS2_DIGEST_MAX`.
const OBJECTS: u8 = 32;
const DIGESTS: u8 = 8;
/// Twice what one slot may cost: two minutes or less. 32 slots of 1 GiB and four passes fit.
const MAX_COST: u64 = 2 * FULL_COST;
/// All of them are about speed, except that discards tell the host which blocks are free.
const FLAGS: [&str; 5] =
    ["allow-discards", "same-cpu-crypt", "submit-from-crypt-cpus", "no-read-workqueue", "no-write-workqueue"];
