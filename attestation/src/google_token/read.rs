//! Reads a token's claims, each with its required type (Google docs, token-claims). Unknown ones are ignored
//! (RFC 7519 §4), because Google adds some.

use std::collections::BTreeMap;
use std::str::FromStr;

use vouchsafe_protocol::UnixTime;

use super::claims::Container;
use super::claims::SoftwareName;
use super::claims::TokenTdxTcb;
use super::error::TokenError;
use super::error::shown;
use super::json::Json;
use super::json::Members;
use crate::claims::Instance;
use crate::technology::Technology;

/// The claims in an object of the token. They are named by their path, whose last part is the member's name.
#[derive(Clone, Copy)]
pub(super) struct Claims<'a>(pub(super) &'a Members);

impl<'a> Claims<'a> {
    /// The claim's value. `null` means absent: Google's encoder writes an empty list this way.
    fn get(self, claim: &'static str) -> Option<&'a Json> {
        let found = self.0.get(claim.rsplit('.').next().unwrap_or(claim));
        found.filter(|value| **value != Json::Null)
    }

    fn read<T>(
        self,
        claim: &'static str,
        read: impl FnOnce(&'a Json) -> Option<T>,
    ) -> Result<Option<T>, TokenError> {
        let found = self.get(claim);
        found.map(|value| read(value).ok_or(TokenError::ClaimMalformed { claim })).transpose()
    }

    pub(super) fn maybe_text(self, claim: &'static str) -> Result<Option<&'a str>, TokenError> {
        self.read(claim, text)
    }

    pub(super) fn text(self, claim: &'static str) -> Result<&'a str, TokenError> {
        self.maybe_text(claim)?.ok_or(TokenError::ClaimMissing { claim })
    }

    pub(super) fn flag(self, claim: &'static str) -> Result<bool, TokenError> {
        let flag = |value: &Json| if let Json::Bool(flag) = value { Some(*flag) } else { None };
        self.read(claim, flag)?.ok_or(TokenError::ClaimMissing { claim })
    }

    pub(super) fn time(self, claim: &'static str) -> Result<UnixTime, TokenError> {
        self.number(claim).map(UnixTime)
    }

    fn number(self, claim: &'static str) -> Result<u64, TokenError> {
        let number = |value: &Json| if let Json::Integer(number) = value { Some(*number) } else { None };
        self.read(claim, number)?.ok_or(TokenError::ClaimMissing { claim })
    }

    /// A list of texts; empty if absent.
    fn texts(self, claim: &'static str) -> Result<Vec<String>, TokenError> {
        Ok(self.read(claim, texts)?.unwrap_or_default())
    }

    /// A list of texts, or one text.
    pub(super) fn text_or_texts(self, claim: &'static str) -> Result<Vec<String>, TokenError> {
        let read = |value| text(value).map(|one| vec![one.to_owned()]).or_else(|| texts(value));
        Ok(self.read(claim, read)?.unwrap_or_default())
    }

    fn object(self, claim: &'static str) -> Result<Option<Self>, TokenError> {
        self.read(claim, |value| if let Json::Object(members) = value { Some(Self(members)) } else { None })
    }

    /// A number in canonical decimal, given as a text.
    fn decimal(self, claim: &'static str) -> Result<u64, TokenError> {
        let text = self.text(claim)?;
        let number = text.parse::<u64>().ok().filter(|number| number.to_string() == text);
        number.ok_or(TokenError::ClaimMalformed { claim })
    }
}

fn text(value: &Json) -> Option<&str> {
    if let Json::Text(text) = value { Some(text) } else { None }
}

fn texts(value: &Json) -> Option<Vec<String>> {
    let Json::List(items) = value else { return None };
    items.iter().map(|item| text(item).map(str::to_owned)).collect()
}

/// `hwmodel` (RFC 9711 §4.2.4): the names in Google docs, token-claims, and the one that its SDKs add for
/// SEV-SNP.
pub(super) fn technology(claims: Claims<'_>) -> Result<Technology, TokenError> {
    Ok(match claims.text("hwmodel")? {
        "GCP_SHIELDED_VM" => Technology::None,
        "GCP_AMD_SEV" => Technology::Sev,
        "GCP_AMD_SEV_ES" => Technology::SevEs,
        "GCP_AMD_SEV_SNP" => Technology::SevSnp,
        "GCP_INTEL_TDX" => Technology::Tdx,
        other => return Err(TokenError::ClaimUnknown { claim: "hwmodel", found: shown(other) }),
    })
}

/// `swname` (RFC 9711 §4.2.6).
pub(super) fn software_name(claims: Claims<'_>) -> Result<SoftwareName, TokenError> {
    match claims.text("swname")? {
        "GCE" => Ok(SoftwareName::Gce),
        "CONFIDENTIAL_SPACE" => Ok(SoftwareName::ConfidentialSpace),
        other => Err(TokenError::ClaimUnknown { claim: "swname", found: shown(other) }),
    }
}

/// `dbgstat` (RFC 9711 §4.2.9), which is about the Confidential Space image: it is ignored for a plain VM.
pub(super) fn debug_disabled(claims: Claims<'_>, software: SoftwareName) -> Result<Option<bool>, TokenError> {
    let found = claims.maybe_text("dbgstat")?;
    match found.filter(|_| software == SoftwareName::ConfidentialSpace) {
        None => Ok(None),
        Some("disabled-since-boot") => Ok(Some(true)),
        Some("enabled") => Ok(Some(false)),
        Some(other) => Err(TokenError::ClaimUnknown { claim: "dbgstat", found: shown(other) }),
    }
}

/// `oemid` (RFC 9711 §4.2.3), an enterprise number of IANA's: 11129 is Google.
pub(super) fn manufacturer(claims: Claims<'_>) -> Result<(), TokenError> {
    match claims.number("oemid")? {
        11129 => Ok(()),
        other => Err(TokenError::ClaimUnknown { claim: "oemid", found: other.to_string() }),
    }
}

/// `tdx`: an object in real tokens, a list of objects in some of the documentation.
pub(super) fn tdx_tcb(claims: Claims<'_>) -> Result<Option<TokenTdxTcb>, TokenError> {
    let objects = claims.read("tdx", |value| match value {
        Json::Object(members) => Some(vec![Claims(members)]),
        Json::List(items) => items
            .iter()
            .map(|item| match item {
                Json::Object(members) => Some(Claims(members)),
                _ => None,
            })
            .collect(),
        _ => None,
    })?;
    let Some(objects) = objects else { return Ok(None) };
    let first = |claim: &'static str| {
        let found = objects.iter().find(|object| object.get(claim).is_some());
        found.map_or(Ok(None), |object| object.maybe_text(claim))
    };
    let claim = "tdx.gcp_attester_tcb_date";
    let date = first(claim)?.map(|text| time(text).ok_or(TokenError::ClaimMalformed { claim }));
    let claim = "tdx.gcp_attester_tcb_status";
    let status = first(claim)?.ok_or(TokenError::ClaimMissing { claim })?;
    Ok(Some(TokenTdxTcb { status: status.to_owned(), date: date.transpose()? }))
}

/// RFC 3339 §5.6 in UTC, whole seconds.
fn time(text: &str) -> Option<UnixTime> {
    let time = der::DateTime::from_str(text).ok()?;
    Some(UnixTime(time.unix_duration().as_secs()))
}

/// `submods` (RFC 9711 §4.2.18): the instance, the workload of Confidential Space, and statements about its
/// image.
pub(super) struct Submodules<'a> {
    gce: Option<Claims<'a>>,
    container: Option<Claims<'a>>,
    confidential_space: Option<Claims<'a>>,
}

impl<'a> Submodules<'a> {
    pub(super) fn of(claims: Claims<'a>) -> Result<Self, TokenError> {
        let Some(all) = claims.object("submods")? else {
            return Ok(Self { gce: None, container: None, confidential_space: None });
        };
        Ok(Self {
            gce: all.object("submods.gce")?,
            container: all.object("submods.container")?,
            confidential_space: all.object("submods.confidential_space")?,
        })
    }

    pub(super) fn instance(&self) -> Result<Option<Instance>, TokenError> {
        let read = |gce: Claims<'_>| {
            Ok(Instance {
                zone: gce.text("submods.gce.zone")?.to_owned(),
                project_id: gce.text("submods.gce.project_id")?.to_owned(),
                project_number: gce.decimal("submods.gce.project_number")?,
                instance_id: gce.decimal("submods.gce.instance_id")?,
                instance_name: gce.text("submods.gce.instance_name")?.to_owned(),
            })
        };
        self.gce.map(read).transpose()
    }

    pub(super) fn container(&self) -> Result<Option<Container>, TokenError> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let read = |container: Claims<'_>| {
            Ok(Container {
                image_reference: container.text("submods.container.image_reference")?.to_owned(),
                image_digest: container.text("submods.container.image_digest")?.to_owned(),
                image_id: owned(container.maybe_text("submods.container.image_id")?),
                restart_policy: owned(container.maybe_text("submods.container.restart_policy")?),
                arguments: container.texts("submods.container.args")?,
            })
        };
        self.container.map(read).transpose()
    }

    pub(super) fn support_attributes(&self) -> Result<Vec<String>, TokenError> {
        let claim = "submods.confidential_space.support_attributes";
        self.confidential_space.map_or(Ok(Vec::new()), |space| space.texts(claim))
    }

    pub(super) fn monitoring_enabled(&self) -> Result<BTreeMap<String, bool>, TokenError> {
        let claim = "submods.confidential_space.monitoring_enabled";
        let Some(found) = self.confidential_space.map(|space| space.object(claim)).transpose()?.flatten()
        else {
            return Ok(BTreeMap::new());
        };
        let flag = |(name, value): (&String, &Json)| match value {
            Json::Bool(flag) => Ok((name.clone(), *flag)),
            _ => Err(TokenError::ClaimMalformed { claim }),
        };
        found.0.iter().map(flag).collect()
    }
}

/// `google_service_accounts`.
pub(super) fn service_accounts(claims: Claims<'_>) -> Result<Vec<String>, TokenError> {
    claims.texts("google_service_accounts")
}
