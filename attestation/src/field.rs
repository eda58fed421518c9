//! Fixed-length fields of structures.

/// The `N` bytes at `OFFSET`; the compiler checks that they are inside the structure.
#[expect(clippy::indexing_slicing, reason = "the bound is asserted at compile time")]
pub(crate) const fn bytes_at<const OFFSET: usize, const N: usize, const LENGTH: usize>(
    raw: &[u8; LENGTH],
) -> [u8; N] {
    const { assert!(OFFSET + N <= LENGTH, "inside the structure") }
    let mut out = [0; N];
    let mut index = 0;
    while index < N {
        out[index] = raw[OFFSET + index];
        index += 1;
    }
    out
}
