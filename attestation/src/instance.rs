//! The name of an instance.

use serde::Serialize;
use serde::Serializer;

/// Identity of a GCE instance, from the extension of its AK certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Instance {
    /// Zone, such as `us-central1-a`.
    pub zone: String,
    /// Project id.
    pub project_id: String,
    /// Project number; a string in JSON.
    #[serde(serialize_with = "decimal")]
    pub project_number: u64,
    /// Instance id; together with the project number it identifies the instance. A string in JSON.
    #[serde(serialize_with = "decimal")]
    pub instance_id: u64,
    /// Instance name: can be reused for another instance.
    pub instance_name: String,
}

impl Instance {
    /// Project number and instance id, which identify the instance permanently.
    #[must_use]
    pub const fn id(&self) -> (u64, u64) {
        (self.project_number, self.instance_id)
    }
}

/// Many JSON parsers round numbers above 2^53, and instance ids are larger.
fn decimal<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}
