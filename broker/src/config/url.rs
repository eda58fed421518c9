//! URLs without a path.

/// A URL as in a guest's configuration: scheme and authority only (an audience is compared as text).
pub(super) fn is_url(url: &str) -> bool {
    let authority = url.strip_prefix("https://").unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"/?#@\"\\".contains(&byte);
    !authority.is_empty() && url.len() <= 512 && authority.bytes().all(is_plain)
}
