//! Key slots.

use std::fmt;

use super::error::HeaderError;
use super::members::Members;
use super::metadata::CIPHER;

/// A key slot. That its area is inside the header is checked with the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyslot {
    /// Its number.
    pub slot: u8,
    /// How the passphrase becomes a key.
    pub kdf: Kdf,
    /// Bytes of the volume key.
    pub(super) key_size: u64,
    /// The area of the key material, in bytes from the start of the device.
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// A key derivation within bounds that an initrd can afford.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kdf {
    /// PBKDF2, for keys that are random anyway.
    Pbkdf2 {
        /// Iterations.
        iterations: u64,
    },
    /// Argon2i.
    Argon2i {
        /// KiB.
        memory: u64,
        /// Passes.
        time: u64,
    },
    /// Argon2id, for what a person types.
    Argon2id {
        /// KiB.
        memory: u64,
        /// Passes.
        time: u64,
    },
}

impl fmt::Display for Kdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pbkdf2 { iterations } => write!(f, "pbkdf2, {iterations} iterations"),
            Self::Argon2i { memory, time } => write!(f, "argon2i, {memory} KiB, {time} passes"),
            Self::Argon2id { memory, time } => write!(f, "argon2id, {memory} KiB, {time} passes"),
        }
    }
}

/// The hashes that a header may use.
#[derive(Clone, Copy)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    fn take(members: &mut Members) -> Result<Self, HeaderError> {
        match members.text("hash")?.as_str() {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            found => Err(HeaderError::Hash { place: members.place("hash"), found: found.to_owned() }),
        }
    }

    /// Bytes.
    pub(super) const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl Keyslot {
    /// Checks `keyslots.SLOT`.
    pub(super) fn parse(slot: u8, mut members: Members) -> Result<Self, HeaderError> {
        match members.text("type")?.as_str() {
            "luks2" => {}
            "reencrypt" => return Err(HeaderError::Reencryption),
            found => return Err(HeaderError::KeyslotType { slot, found: found.to_owned() }),
        }
        let key_size = members.number("key_size")?;
        if !is_xts_key(key_size) {
            return Err(HeaderError::KeySize { slot, found: key_size });
        }
        if members.has("priority") {
            let found = members.number("priority")?;
            // 0 is ignored unless it is named, 1 is usual, 2 comes first.
            if found > 2 {
                return Err(HeaderError::Priority { slot, found });
            }
        }
        check_splitter(slot, members.object("af")?)?;
        let (offset, size) = area(slot, key_size, members.object("area")?)?;
        let kdf = Kdf::parse(slot, members.object("kdf")?)?;
        members.finish()?;
        Ok(Self { slot, kdf, key_size, offset, size })
    }

    /// Bytes of the volume key.
    #[must_use]
    pub const fn key_size(&self) -> u64 {
        self.key_size
    }
}

fn check_splitter(slot: u8, mut af: Members) -> Result<(), HeaderError> {
    if af.text("type")? != "luks1" || af.number("stripes")? != STRIPES {
        return Err(HeaderError::Af { slot });
    }
    Hash::take(&mut af)?;
    af.finish()
}

/// Offset and size of the area, which has room for all stripes of the key.
fn area(slot: u8, key_size: u64, mut area: Members) -> Result<(u64, u64), HeaderError> {
    let found = area.text("type")?;
    if found != "raw" {
        return Err(HeaderError::AreaType { slot, found });
    }
    let found = area.text("encryption")?;
    if found != CIPHER {
        return Err(HeaderError::AreaCipher { slot, found });
    }
    let found = area.number("key_size")?;
    if !is_xts_key(found) {
        return Err(HeaderError::AreaKeySize { slot, found });
    }
    let (offset, size) = (area.long("offset")?, area.long("size")?);
    // cryptsetup reads whole sectors, whatever the size says (AF_split_sectors, lib/luks1/af.c).
    // And it counts in sectors: the rest of a division would be dropped.
    if size < (key_size * STRIPES).next_multiple_of(512) || offset % ALIGNMENT != 0 || size % ALIGNMENT != 0 {
        return Err(HeaderError::AreaBounds { slot });
    }
    area.finish()?;
    Ok((offset, size))
}

impl Kdf {
    /// The cost, as a part of the largest one that is accepted, which is [`FULL_COST`].
    pub(super) const fn cost(self) -> u64 {
        match self {
            Self::Pbkdf2 { iterations } => iterations.saturating_mul(FULL_COST) / MAX_ITERATIONS,
            Self::Argon2i { memory, time } | Self::Argon2id { memory, time } => {
                memory.saturating_mul(time).saturating_mul(FULL_COST) / MAX_WORK
            }
        }
    }

    fn parse(slot: u8, mut kdf: Members) -> Result<Self, HeaderError> {
        let kind = kdf.text("type")?;
        let parsed = match kind.as_str() {
            "pbkdf2" => Self::Pbkdf2 { iterations: iterations(&mut kdf)?.1 },
            "argon2i" => {
                let (memory, time) = argon2(slot, &mut kdf)?;
                Self::Argon2i { memory, time }
            }
            "argon2id" => {
                let (memory, time) = argon2(slot, &mut kdf)?;
                Self::Argon2id { memory, time }
            }
            _ => return Err(HeaderError::KdfType { slot, found: kind }),
        };
        kdf.salt()?;
        kdf.finish()?;
        Ok(parsed)
    }
}

/// Hash and iterations of PBKDF2.
pub(super) fn iterations(members: &mut Members) -> Result<(Hash, u64), HeaderError> {
    let hash = Hash::take(members)?;
    let found = members.number("iterations")?;
    if !(1000..=MAX_ITERATIONS).contains(&found) {
        return Err(HeaderError::KdfIterations { place: members.place("iterations"), found });
    }
    Ok((hash, found))
}

/// Memory and passes of Argon2.
fn argon2(slot: u8, kdf: &mut Members) -> Result<(u64, u64), HeaderError> {
    let memory = kdf.number("memory")?;
    if !(32..=MAX_MEMORY).contains(&memory) {
        return Err(HeaderError::KdfMemory { slot, found: memory });
    }
    let time = kdf.number("time")?;
    if time == 0 || time > MAX_WORK / memory {
        return Err(HeaderError::KdfTime { slot, found: time });
    }
    let cpus = kdf.number("cpus")?;
    if !(1..=4).contains(&cpus) {
        return Err(HeaderError::KdfCpus { slot, found: cpus });
    }
    Ok((memory, time))
}

/// XTS takes two keys of AES-128 or AES-256.
const fn is_xts_key(bytes: u64) -> bool {
    matches!(bytes, 32 | 64)
}

/// The largest cost of one slot.
pub(super) const FULL_COST: u64 = 1000;
/// Of areas, as cryptsetup makes them.
const ALIGNMENT: u64 = 4096;
/// Fixed in cryptsetup (`LUKS_STRIPES`).
const STRIPES: u64 = 4000;
/// A minute or less. cryptsetup chooses what takes two seconds where the volume is formatted.
const MAX_ITERATIONS: u64 = 100_000_000;
/// KiB: 1 GiB, the most that cryptsetup chooses by itself (`DEFAULT_LUKS2_MEMORY_KB`).
const MAX_MEMORY: u64 = 1 << 20;
/// KiB that are passed over: 64 GiB, a minute or less.
const MAX_WORK: u64 = 64 << 20;
