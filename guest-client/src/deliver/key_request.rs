//! What systemd asks for, by the name that it gives to its end of a connection.
//!
//! The name is an abstract one: a NUL, written `@`, a random number in hex, and what is wanted:
//!
//! | name | from |
//! |---|---|
//! | `@%x/cryptsetup/VOLUME` | systemd, src/cryptsetup/cryptsetup.c, `make_bindname` |
//! | `@%x/unit/UNIT/CREDENTIAL` | systemd, src/core/exec-credential.c, `load_credential` |

use std::fmt;

/// One key or credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyRequest {
    /// The key of a volume of crypttab.
    Volume(String),
    /// A credential of a unit.
    Credential {
        /// The unit.
        unit: String,
        /// The name after `LoadCredential=`.
        name: String,
    },
}

impl KeyRequest {
    /// Reads an abstract name without its NUL.
    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        let (number, wanted) = std::str::from_utf8(name).ok()?.split_once('/')?;
        let is_number =
            (1..=16).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (kind, rest) = wanted.split_once('/').filter(|_| is_number)?;
        match kind {
            "cryptsetup" if is_name(rest) => Some(Self::Volume(rest.to_owned())),
            "unit" => {
                let (unit, name) = rest.split_once('/')?;
                let request = Self::Credential { unit: unit.to_owned(), name: name.to_owned() };
                (is_name(unit) && is_name(name)).then_some(request)
            }
            _ => None,
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains('/')
}

impl fmt::Display for KeyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume(name) => write!(f, "volume {name}"),
            Self::Credential { unit, name } => write!(f, "credential {name} of {unit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str) -> Option<KeyRequest> {
        KeyRequest::parse(name.as_bytes())
    }

    #[test]
    fn systemds_names_are_read() {
        let volume = |name: &str| Some(KeyRequest::Volume(name.to_owned()));
        assert_eq!(parse("a1b2c3d4e5f60718/cryptsetup/root"), volume("root"));
        // `%x` does not pad.
        assert_eq!(parse("0/cryptsetup/luks-1234-abcd"), volume("luks-1234-abcd"));
        let credential = |unit: &str, name: &str| {
            Some(KeyRequest::Credential { unit: unit.to_owned(), name: name.to_owned() })
        };
        assert_eq!(parse("ffffffffffffffff/unit/app.service/tls"), credential("app.service", "tls"));
        assert_eq!(parse("1/unit/app@a\\x2db.service/db.key"), credential("app@a\\x2db.service", "db.key"));
    }

    #[test]
    fn other_names_are_no_requests() {
        for name in [
            "",
            "a1b2",
            "/cryptsetup/root",
            "xyz/cryptsetup/root",
            "a1b2c3d4e5f607189/cryptsetup/root",
            "@a1/cryptsetup/root",
            "a1/cryptsetup/",
            "a1/cryptsetup",
            "a1/cryptsetup/a/b",
            "a1/cryptsetup-tpm2/root",
            "a1/cryptsetup-fido2/root",
            "a1/unit/app.service",
            "a1/unit/app.service/",
            "a1/unit//tls",
            "a1/unit/app.service/a/b",
            "a1/other/root",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
        assert_eq!(KeyRequest::parse(b"a1/cryptsetup/\xff"), None);
    }
}
