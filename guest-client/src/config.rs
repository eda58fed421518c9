//! The guest's configuration: whom to ask, whom to believe, what to show.
//!
//! It belongs into the measured part of the boot chain: the pinned identities in it are what the guest's
//! trust in an answer rests on. Unknown keys are errors; nothing is read from the environment.

mod evidence;
mod google_token;
mod place;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

pub use evidence::{EvidenceChoice, EvidenceKind};
pub use google_token::{ApiEndpoint, EndpointError, GoogleTokenConfig, MetadataServer, Shown, TokenType};
pub use place::Place;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use vouchsafe_protocol::{BrokerIdentity, Suite};

use crate::hardware::{Ccel, ccel, tsm};
use crate::vtpm::{AkChoice, DEFAULT_EVENT_LOG, DEFAULT_USERSPACE_LOG, TpmAddress};

/// Where the configuration is when no other place is named.
pub const DEFAULT_PATH: &str = "/etc/vouchsafe/guest.toml";

/// A guest's configuration file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestConfig {
    /// Brokers, in the order in which they are asked.
    pub brokers: Vec<BrokerUrl>,
    /// Identities whose answers are taken; more than one during a rotation.
    pub identities: Vec<BrokerIdentity>,
    /// PEM file with the CAs that the brokers' TLS certificates chain to.
    pub ca: PathBuf,
    /// How secrets are wrapped. There is no fallback.
    #[serde(default)]
    pub suite: Suite,
    /// Which evidence to show.
    #[serde(default)]
    pub evidence: EvidenceChoice,
    /// The vTPM.
    #[serde(default)]
    pub vtpm: VtpmConfig,
    /// The SNP device.
    #[serde(default)]
    pub sev_snp: SevSnpConfig,
    /// The trust domain.
    #[serde(default)]
    pub tdx: TdxConfig,
    /// Google Cloud Attestation.
    #[serde(default)]
    pub google_token: GoogleTokenConfig,
    /// How long and how often.
    #[serde(default)]
    pub limits: Limits,
}

/// What there is to say about collecting evidence.
#[derive(Clone, Debug, Default)]
pub struct CollectConfig {
    /// Which evidence to show.
    pub evidence: EvidenceChoice,
    /// The vTPM.
    pub vtpm: VtpmConfig,
    /// The SNP device.
    pub sev_snp: SevSnpConfig,
    /// The trust domain.
    pub tdx: TdxConfig,
    /// Google Cloud Attestation.
    pub google_token: GoogleTokenConfig,
}

/// `[vtpm]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VtpmConfig {
    /// The TPM; `/dev/tpmrm0` or `/dev/tpm0` unless named.
    pub device: Option<TpmAddress>,
    /// Which attestation key.
    pub key: AkChoice,
    /// The firmware's event log.
    pub event_log: PathBuf,
    /// systemd's measurement log; sent along where it can be read.
    pub userspace_log: PathBuf,
    /// PEM files with CAs to send along. Brokers know Google's own.
    pub issuers: Vec<PathBuf>,
}

/// `[sev_snp]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SevSnpConfig {
    /// Where configfs-tsm is; `/dev/sev-guest` is used where this directory does not exist.
    pub tsm: PathBuf,
}

/// `[tdx]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TdxConfig {
    /// Where configfs-tsm is.
    pub tsm: PathBuf,
    /// The event log that the firmware left.
    pub event_log: PathBuf,
    /// The ACPI table that says where that log is; only Google is shown it.
    pub event_log_table: PathBuf,
}

/// `[limits]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Attempts before giving up: each challenge, and each request sent again under the same one.
    pub attempts: u32,
    /// Everything together.
    #[serde(deserialize_with = "seconds")]
    pub deadline: Duration,
    /// One connection.
    #[serde(deserialize_with = "seconds")]
    pub connect: Duration,
    /// One request, connection included.
    #[serde(deserialize_with = "seconds")]
    pub request: Duration,
}

impl Default for VtpmConfig {
    fn default() -> Self {
        Self {
            device: None,
            key: AkChoice::Auto,
            event_log: DEFAULT_EVENT_LOG.into(),
            userspace_log: DEFAULT_USERSPACE_LOG.into(),
            issuers: vec![],
        }
    }
}

impl Default for SevSnpConfig {
    fn default() -> Self {
        Self { tsm: tsm::DEFAULT_ROOT.into() }
    }
}

impl Default for TdxConfig {
    fn default() -> Self {
        let (event_log, event_log_table) = (ccel::DEFAULT_LOG.into(), ccel::DEFAULT_TABLE.into());
        Self { tsm: tsm::DEFAULT_ROOT.into(), event_log, event_log_table }
    }
}

impl TdxConfig {
    /// The files of the event log.
    #[must_use]
    pub fn ccel(&self) -> Ccel {
        Ccel { log: self.event_log.clone(), table: self.event_log_table.clone() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { attempts: 10, deadline: seconds(120), connect: seconds(5), request: seconds(20) }
    }
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Something in a file is wrong.
    #[error("{}, {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<Self>,
    },
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("{place}: {message}")]
    Parse {
        /// Where.
        place: Place,
        /// What is wrong there.
        message: String,
    },
    /// No broker is named.
    #[error("`brokers` names none")]
    NoBroker,
    /// No identity is pinned.
    #[error("`identities` pins none: `vouchsafe init` prints the broker's")]
    NoIdentity,
    /// Anyone can sign for this identity: it is all zeros, or another point of small order.
    #[error("anybody can sign as {identity}: pin what `vouchsafe init` printed")]
    WeakIdentity {
        /// Which one.
        identity: BrokerIdentity,
    },
    /// Some evidence is asked for twice over: a VM has one processor.
    #[error("`evidence` names both \"sev-snp\" and \"tdx\"; no VM has both")]
    TwoProcessors,
    /// A limit of zero.
    #[error("`{name}` is zero")]
    ZeroLimit {
        /// Which one.
        name: &'static str,
    },
}

impl GuestConfig {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let failed = |source| ConfigError::Read { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(failed)?;
        Self::parse(&text)
            .map_err(|source| ConfigError::InFile { path: path.to_owned(), source: source.into() })
    }

    /// Parses and checks a text.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| ConfigError::Parse {
            place: Place::of(&error, text),
            message: error.message().to_owned(),
        })?;
        if config.brokers.is_empty() {
            return Err(ConfigError::NoBroker);
        }
        if config.identities.is_empty() {
            return Err(ConfigError::NoIdentity);
        }
        if let Some(identity) = config.identities.iter().copied().find(BrokerIdentity::is_weak) {
            return Err(ConfigError::WeakIdentity { identity });
        }
        if config.evidence.has(EvidenceKind::SevSnp) && config.evidence.has(EvidenceKind::Tdx) {
            return Err(ConfigError::TwoProcessors);
        }
        config.limits.check()?;
        if config.google_token.timeout.is_zero() {
            return Err(ConfigError::ZeroLimit { name: "google_token.timeout" });
        }
        Ok(config)
    }

    /// The part about evidence.
    #[must_use]
    pub fn collect(&self) -> CollectConfig {
        CollectConfig {
            evidence: self.evidence.clone(),
            vtpm: self.vtpm.clone(),
            sev_snp: self.sev_snp.clone(),
            tdx: self.tdx.clone(),
            google_token: self.google_token.clone(),
        }
    }
}

impl Limits {
    fn check(&self) -> Result<(), ConfigError> {
        let zero = [
            ("limits.attempts", self.attempts == 0),
            ("limits.deadline", self.deadline.is_zero()),
            ("limits.connect", self.connect.is_zero()),
            ("limits.request", self.request.is_zero()),
        ];
        match zero.into_iter().find(|(_, zero)| *zero) {
            Some((name, _)) => Err(ConfigError::ZeroLimit { name }),
            None => Ok(()),
        }
    }
}

/// `https://HOST[:PORT]`, optionally with a path in front of the broker's own.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrl(String);

/// The text is no broker's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a broker's address is https://HOST[:PORT], without user, query or fragment")]
pub struct BrokerUrlError;

impl BrokerUrl {
    /// The address of a route, such as `/v1/release`.
    #[must_use]
    pub fn route(&self, route: &str) -> String {
        format!("{}{route}", self.0)
    }

    /// Scheme, host and port as configured: the audience of tokens for this broker.
    #[must_use]
    pub fn origin(&self) -> &str {
        let authority = SCHEME.len()..;
        let path = self.0.get(authority).and_then(|rest| rest.find('/'));
        path.and_then(|path| self.0.get(..SCHEME.len() + path)).unwrap_or(&self.0)
    }
}

const SCHEME: &str = "https://";

impl FromStr for BrokerUrl {
    type Err = BrokerUrlError;

    fn from_str(text: &str) -> Result<Self, BrokerUrlError> {
        let uri: ureq::http::Uri = text.parse().map_err(|_| BrokerUrlError)?;
        let host = uri.host().unwrap_or_default();
        let plain = !text.contains(['?', '#', '@']);
        if uri.scheme_str() != Some("https") || host.is_empty() || !plain {
            return Err(BrokerUrlError);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for BrokerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u32::deserialize(deserializer).map(|seconds| Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../guest.sample.toml");
    /// Nobody has a key for a sentence.
    const PLACEHOLDER: &str = "ed25519:PUT-HERE-THE-IDENTITY-THAT-vouchsafe-PRINTc";

    fn with(change: impl Fn(&str) -> String) -> Result<GuestConfig, ConfigError> {
        GuestConfig::parse(&change(SAMPLE))
    }

    #[test]
    fn the_sample_is_what_the_defaults_are() {
        let config = GuestConfig::parse(SAMPLE).unwrap();
        assert_eq!(config.brokers[0].route("/v1/release"), "https://vouchsafe.example.com:8443/v1/release");
        assert_eq!((config.suite, &config.evidence), (Suite::XWing, &EvidenceChoice::Auto));
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.vtpm.key, AkChoice::Auto);
        let uncommented = SAMPLE.replace("#= ", "");
        let full = GuestConfig::parse(&uncommented).unwrap();
        assert_eq!(full.limits, Limits::default());
        assert_eq!(full.vtpm.event_log, VtpmConfig::default().event_log);
        let log = format!("#= userspace_log = {:?}", VtpmConfig::default().userspace_log);
        assert!(SAMPLE.contains(&log), "{log}");
        assert_eq!(full.sev_snp.tsm, SevSnpConfig::default().tsm);
        assert_eq!((full.tdx.tsm.clone(), full.tdx.ccel()), (TdxConfig::default().tsm, Ccel::default()));
        let (google, default) = (&full.google_token, GoogleTokenConfig::default());
        assert_eq!(
            (google.r#type, google.show, google.service_account, google.timeout),
            (default.r#type, default.show, default.service_account, default.timeout)
        );
        assert_eq!((&google.endpoint, &google.metadata), (&default.endpoint, &default.metadata));
        assert_eq!((&google.project, &google.location), (&None, &None));
        assert_eq!(full.vtpm.device, Some(TpmAddress::Device("/dev/tpmrm0".into())));
    }

    #[test]
    fn t38_unknown_keys_are_refused_everywhere() {
        for line in [
            "insecure = true",
            "[vtpm]\npcrs = []",
            "[sev_snp]\nhelper = \"x\"",
            "[tdx]\npccs = \"x\"",
            "[google_token]\naudience = \"x\"",
            "[limits]\nretry = 1",
        ] {
            let error = with(|text| format!("{text}\n{line}\n")).unwrap_err();
            assert!(
                matches!(&error, ConfigError::Parse { message, .. } if message.contains("unknown field")),
                "{error}"
            );
        }
    }

    #[test]
    fn errors_name_the_line_and_the_key() {
        let place = |line: &str| {
            let error = with(|text| format!("{text}\n{line}\n")).unwrap_err();
            let lines = SAMPLE.lines().count() + 1;
            match error {
                ConfigError::Parse { place, message } => {
                    (place.line.map(|line| line - lines), place.key, message)
                }
                other => panic!("{other}"),
            }
        };
        let (line, key, message) = place("insecure = true");
        assert_eq!((line, key.as_deref()), (Some(1), Some("insecure")));
        assert!(message.contains("unknown field `insecure`, expected one of `brokers`"), "{message}");
        let (line, key, message) = place("[limits]\nattempts = 3\ndeadline = \"120 s\"");
        assert_eq!((line, key.as_deref()), (Some(3), Some("limits.deadline")));
        assert!(message.contains("invalid type: string \"120 s\", expected u32"), "{message}");
        let (line, key, _) = place("[vtpm]\nissuers = [\n  \"a = b\",\n  7,\n]");
        assert_eq!((line, key.as_deref()), (Some(4), Some("vtpm.issuers")));
        let (line, key, _) = place("[nonsense]\na = 1");
        assert_eq!((line, key.as_deref()), (Some(1), Some("nonsense")));
        let (line, _, _) = place("[limits");
        assert_eq!(line, Some(1));
        let error = GuestConfig::parse("ca = \"/x\"\nidentities = []\n").unwrap_err();
        assert_eq!(error.to_string(), "the file: missing field `brokers`");
    }

    #[test]
    fn errors_name_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let error = GuestConfig::read(file.path()).unwrap_err().to_string();
            error.strip_prefix(&format!("{}, ", file.path().display())).expect("the file's name").to_owned()
        };
        assert!(
            error(&format!("{SAMPLE}\n[limits]\nretry = 1\n"))
                .contains("`limits.retry`: unknown field `retry`")
        );
        assert_eq!(error(&SAMPLE.replacen("brokers = [", "brokers = [] #", 1)), "`brokers` names none");
    }

    #[test]
    fn t06_a_configuration_without_identity_or_broker_is_refused() {
        let without = |key: &'static str| {
            move |text: &str| {
                let lines = text
                    .lines()
                    .map(|line| if line.starts_with(key) { format!("{key} = []") } else { line.to_owned() });
                lines.collect::<Vec<_>>().join("\n")
            }
        };
        assert!(matches!(with(without("identities")), Err(ConfigError::NoIdentity)));
        assert!(matches!(with(without("brokers")), Err(ConfigError::NoBroker)));
    }

    #[test]
    fn t06_an_identity_that_anybody_can_sign_for_is_refused() {
        let identity = BrokerIdentity([0; 32]);
        let error = with(|text| text.replace(PLACEHOLDER, &identity.to_string())).unwrap_err();
        assert!(matches!(error, ConfigError::WeakIdentity { identity: found } if found == identity));
    }

    #[test]
    fn limits_of_zero_are_refused() {
        for name in ["attempts", "deadline", "connect", "request"] {
            let error = with(|text| format!("{text}\n[limits]\n{name} = 0\n")).unwrap_err();
            let expected = format!("limits.{name}");
            assert!(matches!(error, ConfigError::ZeroLimit { name: found } if found == expected), "{error}");
        }
        let error = with(|text| format!("{text}\n[google_token]\ntimeout = 0\n")).unwrap_err();
        assert!(matches!(error, ConfigError::ZeroLimit { name: "google_token.timeout" }), "{error}");
    }

    #[test]
    fn a_token_is_for_the_origin_of_the_broker() {
        for (text, origin) in [
            ("https://a.example:8443/base/", "https://a.example:8443"),
            ("https://a.example", "https://a.example"),
            ("https://[::1]:1/x/y", "https://[::1]:1"),
        ] {
            assert_eq!(text.parse::<BrokerUrl>().unwrap().origin(), origin);
        }
    }

    #[test]
    fn evidence_is_auto_or_a_list_of_known_kinds() {
        let choice =
            |value: &str| with(|text| format!("evidence = {value}\n{text}")).map(|config| config.evidence);
        assert_eq!(choice("\"auto\"").unwrap(), EvidenceChoice::Auto);
        let both = EvidenceChoice::Kinds(vec![EvidenceKind::SevSnp, EvidenceKind::Vtpm]);
        assert_eq!(choice("[\"sev-snp\", \"vtpm\"]").unwrap(), both);
        let all = choice("[\"google-token\", \"tdx\"]").unwrap();
        assert!(all.has(EvidenceKind::GoogleToken) && all.has(EvidenceKind::Tdx));
        assert!(!all.has(EvidenceKind::Vtpm) && !EvidenceChoice::Auto.has(EvidenceKind::Vtpm));
        let both = choice("[\"tdx\", \"sev-snp\"]").unwrap_err();
        assert!(matches!(both, ConfigError::TwoProcessors), "{both}");
        for value in ["[]", "\"vtpm\"", "[\"vtpm\", \"vtpm\"]", "[\"none\"]", "true"] {
            assert!(matches!(choice(value), Err(ConfigError::Parse { .. })), "{value}");
        }
    }

    #[test]
    fn only_https_addresses_are_taken() {
        for text in ["https://a", "https://a:1/", "https://[::1]:8443/base/"] {
            let url: BrokerUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), text.trim_end_matches('/'));
        }
        for text in ["http://a", "a", "https://", "https://u@a", "https://a?x", "https://a/#x", "/a", ""] {
            assert_eq!(text.parse::<BrokerUrl>(), Err(BrokerUrlError), "{text}");
        }
    }
}
