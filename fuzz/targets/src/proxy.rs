//! The header of a proxy in front of the broker.

use vouchsafe_system::proxy::{FIXED, Fixed, LONGEST, Source};

/// A header of the PROXY protocol, version 2, as it comes from a listed address.
pub fn proxy_header(data: &[u8]) {
    let Some((fixed, rest)) = data.split_first_chunk::<FIXED>() else { return };
    let Ok(fixed) = Fixed::parse(*fixed) else { return };
    // What the listener reads is bounded before it is read.
    assert!(FIXED + fixed.length() <= LONGEST);
    let Some(rest) = rest.get(..fixed.length()) else { return };
    if let Ok(Source::Client(address)) = fixed.source(rest) {
        assert_eq!(address, address.to_canonical());
        assert!(rest.len() >= 12);
    }
}
