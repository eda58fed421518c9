//! Bodies of answers, limited in size, and erased: they have tokens and keys.

use std::io::Read as _;

use zeroize::Zeroizing;

use super::problem::Problem;

pub(super) fn read(body: &mut ureq::Body) -> Result<Zeroizing<Vec<u8>>, Problem> {
    // With room for all of it, so that no copy stays behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST + 1));
    let read = body.as_reader().take(LARGEST as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Problem::unreachable_by(&error.to_string()))?;
    if bytes.len() > LARGEST { Err(Problem::TooLarge) } else { Ok(bytes) }
}

/// Answers have less than 2 KiB.
pub(super) const LARGEST: usize = 64 * 1024;
