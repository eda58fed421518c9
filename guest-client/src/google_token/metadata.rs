//! The instance's metadata server: project, zone and instance. The host answers it, so these are hints for
//! requests, not evidence.

use ureq::Agent;
use vouchsafe_system::http;

use super::deadline::Deadline;
use super::error::{Call, TokenError, quoted};
use crate::config::{GoogleTokenConfig, MetadataServer};

/// The project and region of requests: `projects/PROJECT/locations/REGION`.
pub(super) fn parent(config: &GoogleTokenConfig, deadline: &Deadline) -> Result<String, TokenError> {
    let project = match &config.project {
        Some(project) => project.clone(),
        None => get(&config.metadata, PROJECT, deadline)?,
    };
    let location = match &config.location {
        Some(location) => location.clone(),
        None => region(&get(&config.metadata, ZONE, deadline)?)?.to_owned(),
    };
    Ok(format!("projects/{project}/locations/{location}"))
}

/// This instance, `projects/NUMBER/zones/ZONE/instances/ID`.
pub(super) fn instance(config: &GoogleTokenConfig, deadline: &Deadline) -> Result<String, TokenError> {
    let zone = get(&config.metadata, ZONE, deadline)?;
    region(&zone)?;
    Ok(format!("{zone}/instances/{}", get(&config.metadata, INSTANCE, deadline)?))
}

/// The region of `projects/NUMBER/zones/ZONE`: the zone without its last part.
fn region(zone: &str) -> Result<&str, TokenError> {
    let name = zone.strip_prefix("projects/").and_then(|rest| rest.split_once("/zones/"));
    let region = name.and_then(|(_, zone)| zone.rsplit_once('-')).map(|(region, _)| region);
    region
        .filter(|region| !region.contains('/'))
        .ok_or_else(|| malformed(ZONE, "not projects/NUMBER/zones/ZONE"))
}

fn get(server: &MetadataServer, path: &'static str, deadline: &Deadline) -> Result<String, TokenError> {
    let call = Call::Metadata(path);
    let timeout = deadline.rest(call)?;
    let failed = |error: ureq::Error| deadline.failed(call, &error);
    // Never through a proxy from the environment: the server is on the host.
    let agent = Agent::new_with_config(http::direct().timeout_global(Some(timeout)).build());
    let url = format!("{server}/computeMetadata/v1/{path}");
    let mut response = agent.get(url).header(FLAVOR, "Google").call().map_err(failed)?;
    let body = response.body_mut().with_config().limit(1024).read_to_string().map_err(failed)?;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(TokenError::Refused { call, status, message: quoted(&body) });
    }
    if response.headers().get(FLAVOR).is_none_or(|flavor| flavor.as_bytes() != b"Google") {
        return Err(malformed(path, "no metadata server answers here (no Metadata-Flavor: Google)"));
    }
    let value = body.trim();
    // It becomes part of a path.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '/' | '_');
    if value.is_empty() || !value.chars().all(plain) {
        return Err(malformed(path, "not a name"));
    }
    Ok(value.to_owned())
}

fn malformed(path: &'static str, what: &str) -> TokenError {
    TokenError::Malformed { call: Call::Metadata(path), what: what.to_owned() }
}

const FLAVOR: &str = "metadata-flavor";
const PROJECT: &str = "project/project-id";
const ZONE: &str = "instance/zone";
const INSTANCE: &str = "instance/id";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_a_zone_without_its_last_part() {
        assert_eq!(region("projects/1/zones/europe-west4-a").unwrap(), "europe-west4");
        for text in ["europe-west4-a", "projects/1/zones/x", "projects/1/zones/a/b-c", ""] {
            let error = region(text).unwrap_err();
            assert!(matches!(error, TokenError::Malformed { call: Call::Metadata(ZONE), .. }), "{text}");
        }
    }
}
