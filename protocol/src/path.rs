//! Names of secrets, policies and baselines, in one canonical form: there is nothing to normalise.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Why a name is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Empty, or longer than 256 bytes.
    #[error("a name has 1 to 256 characters, not {length}")]
    Length {
        /// Its length in bytes.
        length: usize,
    },
    /// Too few or too many segments.
    #[error("expected {expected} segments separated by `/`, found {found}")]
    Segments {
        /// The allowed number, in words.
        expected: &'static str,
        /// Number of segments.
        found: usize,
    },
    /// A segment is empty, too long or starts or ends with a dot or a dash.
    #[error("segment {index} must have 1 to 64 characters and start and end with a letter or digit")]
    Segment {
        /// The segment, from 1.
        index: usize,
    },
    /// A character is not in `a-z`, `0-9`, `.`, `_`, `-`.
    #[error("character {character:?} is not allowed: use a-z, 0-9, `.`, `_`, `-`")]
    Character {
        /// The first such character.
        character: char,
    },
}

fn check(
    text: &str,
    segments: std::ops::RangeInclusive<usize>,
    expected: &'static str,
) -> Result<(), PathError> {
    if text.is_empty() || text.len() > 256 {
        return Err(PathError::Length { length: text.len() });
    }
    let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-' | '/');
    if let Some(character) = text.chars().find(|c| !allowed(*c)) {
        return Err(PathError::Character { character });
    }
    let found = text.split('/').count();
    if !segments.contains(&found) {
        return Err(PathError::Segments { expected, found });
    }
    for (index, segment) in text.split('/').enumerate() {
        let alphanumeric = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let ends_well = alphanumeric(segment.chars().next()) && alphanumeric(segment.chars().last());
        if segment.len() > 64 || !ends_well {
            return Err(PathError::Segment { index: index + 1 });
        }
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $segments:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Accepts exactly the canonical form.
            ///
            /// # Errors
            /// [`PathError`] names the fault.
            pub fn parse(text: &str) -> Result<Self, PathError> {
                check(text, $segments, $expected)?;
                Ok(Self(text.to_owned()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The first segment.
            #[must_use]
            pub fn namespace(&self) -> &str {
                self.0.split('/').next().unwrap_or_default()
            }
        }

        impl FromStr for $name {
            type Err = PathError;

            fn from_str(text: &str) -> Result<Self, PathError> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    };
}

name!(
    /// Path of a secret, such as `prod/db-01/disk`. The first segment is the namespace.
    SecretPath, 2..=8, "2 to 8"
);
name!(
    /// Name of a policy, a baseline or a volume: `namespace/name`.
    ObjectName, 2..=2, "exactly 2"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t41_only_canonical_paths_are_read() {
        assert_eq!(SecretPath::parse("prod/db-01/disk").unwrap().namespace(), "prod");
        for (text, error) in [
            ("", PathError::Length { length: 0 }),
            ("prod", PathError::Segments { expected: "2 to 8", found: 1 }),
            ("prod//disk", PathError::Segment { index: 2 }),
            ("prod/../disk", PathError::Segment { index: 2 }),
            ("prod/./disk", PathError::Segment { index: 2 }),
            ("/prod/disk", PathError::Segment { index: 1 }),
            ("prod/disk/", PathError::Segment { index: 3 }),
            ("prod/Disk", PathError::Character { character: 'D' }),
            ("prod/%2e%2e/disk", PathError::Character { character: '%' }),
            ("prod/d\u{456}sk", PathError::Character { character: '\u{456}' }),
            ("prod/disk\0", PathError::Character { character: '\0' }),
        ] {
            assert_eq!(SecretPath::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(SecretPath::parse(&"a/".repeat(200)), Err(PathError::Length { length: 400 }));
        assert_eq!(ObjectName::parse("a/b/c"), Err(PathError::Segments { expected: "exactly 2", found: 3 }));
    }
}
