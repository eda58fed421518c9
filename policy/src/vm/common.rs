//! What several kinds of evidence have.

use vouchsafe_attestation::claims::Instance;
use vouchsafe_attestation::launch::LaunchEndorsement;

use super::names;
use crate::value::{Picked, Value};

pub(super) fn instance<'r>(record: Picked<'r>, instance: &Instance) -> Picked<'r> {
    record
        .with("zone", instance.zone.as_str())
        .with("project_id", instance.project_id.as_str())
        .with_text("project_number", &instance.project_number)
        .with_text("instance_id", &instance.instance_id)
        .with("instance_name", instance.instance_name.as_str())
}

pub(super) fn endorsement<'r>(record: Picked<'r>, endorsement: &LaunchEndorsement) -> Picked<'r> {
    record
        .with("root", names::root(endorsement.root))
        .with("revocation", names::revocation(endorsement.revocation))
        .with_text("digest", &endorsement.digest)
        .with("timestamp", endorsement.timestamp)
        .with("svn", endorsement.svn)
        .with_text("firmware_digest", &endorsement.firmware_digest)
        .with_text("cl_spec", &endorsement.cl_spec)
        .with_some("commit", endorsement.commit.as_deref())
        .with_some("vcpus", endorsement.vcpus)
        .with_some("ram_gib", endorsement.ram_gib)
}

pub(super) fn texts(texts: &[String]) -> impl Iterator<Item = Value> {
    texts.iter().map(|text| text.as_str().into())
}
