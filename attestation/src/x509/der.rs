//! Minimal DER parsing by hand, for fields whose exact bytes matter.
//!
//! Strict: definite, minimal lengths; no trailing bytes.

/// Tag of SEQUENCE.
pub(crate) const SEQUENCE: u8 = 0x30;
/// Tag of INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// Tag of BIT STRING.
const BIT_STRING: u8 = 0x03;

/// One element: tag, content, and the whole encoding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) encoded: &'a [u8],
}

/// Removes the first element from `input`.
pub(crate) fn take<'a>(input: &mut &'a [u8]) -> Option<Element<'a>> {
    let whole = *input;
    let (&tag, rest) = whole.split_first()?;
    // Tag numbers above 30 do not occur in these formats.
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (&first, mut rest) = rest.split_first()?;
    let length = if first < 0x80 {
        usize::from(first)
    } else {
        let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        rest = after;
        long_length(bytes)?
    };
    let (content, rest) = rest.split_at_checked(length)?;
    let encoded = whole.get(..whole.len() - rest.len())?;
    *input = rest;
    Some(Element { tag, content, encoded })
}

/// Length of more than one byte, in the shortest form.
fn long_length(bytes: &[u8]) -> Option<usize> {
    if bytes.len() > 4 || *bytes.first()? == 0 {
        return None;
    }
    let length = bytes.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    (length >= 0x80).then_some(length)
}

/// Content of the only element in `encoded`.
pub(crate) fn content(encoded: &[u8]) -> Option<&[u8]> {
    let mut rest = encoded;
    let element = take(&mut rest)?;
    rest.is_empty().then_some(element.content)
}

/// Content of the only element in `encoded`, if it has this tag.
pub(crate) fn content_of(tag: u8, encoded: &[u8]) -> Option<&[u8]> {
    if encoded.first() == Some(&tag) { content(encoded) } else { None }
}

/// Content of a BIT STRING without unused bits.
fn whole_bits(element: Element<'_>) -> Option<&[u8]> {
    match element.content.split_first()? {
        (0, bits) if element.tag == BIT_STRING => Some(bits),
        _ => None,
    }
}

/// `SEQUENCE { to be signed, algorithm, signature }`: a certificate or a CRL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    /// The signed bytes, as received.
    pub(crate) message: &'a [u8],
    /// Content of the `AlgorithmIdentifier`.
    pub(crate) algorithm: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl<'a> Signed<'a> {
    pub(crate) fn parse(encoded: &'a [u8]) -> Option<Self> {
        let mut rest = content_of(SEQUENCE, encoded)?;
        let message = take(&mut rest)?;
        let algorithm = take(&mut rest)?;
        let signature = whole_bits(take(&mut rest)?)?;
        let shaped = message.tag == SEQUENCE && algorithm.tag == SEQUENCE && rest.is_empty();
        shaped.then_some(Self { message: message.encoded, algorithm: algorithm.content, signature })
    }
}

/// `SubjectPublicKeyInfo`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublicKeyInfo<'a> {
    /// Content of the `AlgorithmIdentifier`.
    pub(crate) algorithm: &'a [u8],
    pub(crate) key: &'a [u8],
}

impl<'a> PublicKeyInfo<'a> {
    pub(crate) fn parse(encoded: &'a [u8]) -> Option<Self> {
        let mut rest = content_of(SEQUENCE, encoded)?;
        let algorithm = take(&mut rest)?;
        let key = whole_bits(take(&mut rest)?)?;
        let shaped = algorithm.tag == SEQUENCE && rest.is_empty();
        shaped.then_some(Self { algorithm: algorithm.content, key })
    }
}
