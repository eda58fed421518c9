//! Names of keys in Cloud KMS.

use std::fmt;
use std::str::FromStr;

use vouchsafe_protocol::text::printable;

/// The name of a key: `projects/P/locations/L/keyRings/R/cryptoKeys/K`, without a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsKey(String);

/// The text is not a [`KmsKey`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text} is not the name of a key in Cloud KMS: projects/PROJECT/locations/LOCATION/keyRings/KEYRING/cryptoKeys/KEY"
)]
pub struct KmsKeyError {
    text: String,
}

impl KmsKey {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the name of one of its versions: `…/cryptoKeyVersions/N`.
    pub(super) fn has_version(&self, name: &str) -> bool {
        let rest = name.strip_prefix(self.as_str());
        let number = rest.and_then(|rest| rest.strip_prefix("/cryptoKeyVersions/"));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    }
}

impl FromStr for KmsKey {
    type Err = KmsKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // It becomes part of a URL's path. Old projects have names such as example.com:my-project.
        let has = |part: &str, longest, others: &[u8]| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || others.contains(&byte);
            (1..=longest).contains(&part.len()) && !part.starts_with('.') && part.bytes().all(is_plain)
        };
        let parts: Vec<_> = text.split('/').collect();
        match parts.as_slice() {
            ["projects", project, "locations", location, "keyRings", ring, "cryptoKeys", key]
                if has(project, 100, b"-.:")
                    && has(location, 63, b"-")
                    && [ring, key].into_iter().all(|name| has(name, 63, b"-_")) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(KmsKeyError { text: printable(text).chars().take(400).collect() }),
        }
    }
}

impl fmt::Display for KmsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str =
        "projects/example.com:my-project/locations/europe-west4/keyRings/vouchsafe/cryptoKeys/root";

    #[test]
    fn a_key_has_a_full_name() {
        let key: KmsKey = NAME.parse().unwrap();
        assert_eq!(key.as_str(), NAME);
        for text in [
            "",
            "root",
            "projects/p/locations/l/keyRings/r/cryptoKeys/",
            "projects/../locations/l/keyRings/r/cryptoKeys/k",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
            "/projects/p/locations/l/keyRings/r/cryptoKeys/k",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k?alt=x",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k%2f",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k:encrypt",
            "projects/p/locations/l/keyRings/r.s/cryptoKeys/k",
            "projects/p/locations/l/keyrings/r/cryptoKeys/k",
        ] {
            let refused = text.parse::<KmsKey>().unwrap_err().to_string();
            assert!(
                refused.starts_with(&format!("{text} is not the name of a key in Cloud KMS")),
                "{refused}"
            );
        }
    }

    #[test]
    fn versions_are_those_of_the_key() {
        let key: KmsKey = NAME.parse().unwrap();
        for (end, is_version) in [
            ("/cryptoKeyVersions/12", true),
            ("", false),
            ("/cryptoKeyVersions/", false),
            ("/cryptoKeyVersions/x", false),
            ("2/cryptoKeyVersions/1", false),
            ("/cryptoKeyVersions/1/x", false),
        ] {
            assert_eq!(key.has_version(&format!("{NAME}{end}")), is_version, "{end}");
        }
    }
}
