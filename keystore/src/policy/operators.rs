//! The operators' plane: who may do what to which namespace. Deny by default.
//!
//! It has a schema and a policy set of its own and is never evaluated together with release policies.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request,
    RestrictedExpression,
};
use serde::{Deserialize, Serialize};

use super::compiled::{PolicyError, Rules};
use super::schema::Vocabulary;

/// What an operator is trusted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, everywhere.
    Administrator,
    /// Secrets, policies and baselines of some namespaces.
    Operator,
    /// Reads records and the names of objects, everywhere.
    Auditor,
}

impl Role {
    /// As written in tokens and policies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is administrator, operator or auditor")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let all = [Self::Administrator, Self::Operator, Self::Auditor];
        all.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

/// An authenticated operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorIdentity {
    /// Its name, for the record.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// The namespaces that an [`Role::Operator`] works in; without meaning for other roles.
    pub namespaces: BTreeSet<String>,
}

/// What an operator wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperatorAction {
    /// Read decisions and the log.
    ReadRecords,
    /// List secrets, read policies and baselines.
    ReadObjects,
    /// Put, generate, retire, restore and destroy secrets.
    ManageSecrets,
    /// Put policies.
    ManagePolicies,
    /// Put and revoke baselines.
    ManageBaselines,
    /// Put guardrails.
    ManageGuardrails,
    /// Add and remove operators.
    ManageOperators,
    /// Import certificates and CRLs.
    ManageCollateral,
}

impl OperatorAction {
    /// As written in the operators' policy.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadRecords => "read-records",
            Self::ReadObjects => "read-objects",
            Self::ManageSecrets => "manage-secrets",
            Self::ManagePolicies => "manage-policies",
            Self::ManageBaselines => "manage-baselines",
            Self::ManageGuardrails => "manage-guardrails",
            Self::ManageOperators => "manage-operators",
            Self::ManageCollateral => "manage-collateral",
        }
    }
}

impl fmt::Display for OperatorAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The operator may not do this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{role} {operator:?} may not {action} in {namespace:?}")]
pub struct NotAuthorized {
    /// The operator's name.
    pub operator: String,
    /// Its role.
    pub role: Role,
    /// The action.
    pub action: OperatorAction,
    /// The namespace.
    pub namespace: String,
}

/// The operators' policy.
#[derive(Debug)]
pub struct OperatorPolicy(Rules);

impl OperatorPolicy {
    /// Parses and validates against the operators' schema.
    ///
    /// # Errors
    /// One variant for each reason.
    pub fn compile(text: &str) -> Result<Self, PolicyError> {
        Rules::compile(text, &VOCABULARY).map(Self)
    }

    /// The policy that this version ships (`config/policies/operators.cedar`).
    #[must_use]
    pub fn shipped() -> &'static Self {
        &SHIPPED
    }

    /// Whether the operator may do this in `namespace`. What concerns the whole broker is asked for in
    /// [`WHOLE_BROKER`].
    ///
    /// # Errors
    /// [`NotAuthorized`], also when an evaluation fails.
    pub fn authorize(
        &self,
        operator: &OperatorIdentity,
        action: OperatorAction,
        namespace: &str,
    ) -> Result<(), NotAuthorized> {
        if self.allows(operator, action, namespace) {
            return Ok(());
        }
        Err(NotAuthorized {
            operator: operator.name.clone(),
            role: operator.role,
            action,
            namespace: namespace.to_owned(),
        })
    }

    fn allows(&self, operator: &OperatorIdentity, action: OperatorAction, namespace: &str) -> bool {
        let principal = uid("Operator", &operator.name);
        let namespaces = operator.namespaces.iter();
        let members = namespaces.map(|name| RestrictedExpression::new_entity_uid(uid("Namespace", name)));
        let members: Vec<_> = members.collect();
        let attributes =
            (!members.is_empty()).then(|| ("namespaces".to_owned(), RestrictedExpression::new_set(members)));
        let parents = HashSet::from([uid("Role", operator.role.as_str())]);
        let entity = Entity::new(principal.clone(), attributes.into_iter().collect(), parents);
        let entities = entity.ok().and_then(|entity| Entities::from_entities([entity], None).ok());
        let request = Request::new(
            principal,
            uid("Action", action.as_str()),
            uid("Namespace", namespace),
            Context::empty(),
            None,
        );
        let (Some(entities), Ok(request)) = (entities, request) else { return false };
        let response = Authorizer::new().is_authorized(&request, &self.0.set, &entities);
        response.decision() == Decision::Allow && response.diagnostics().errors().next().is_none()
    }
}

/// By the shipped operators' policy: whether the operator may do this in `namespace`.
///
/// # Errors
/// [`NotAuthorized`].
pub fn authorize_operator(
    operator: &OperatorIdentity,
    action: OperatorAction,
    namespace: &str,
) -> Result<(), NotAuthorized> {
    OperatorPolicy::shipped().authorize(operator, action, namespace)
}

fn uid(type_name: &str, id: &str) -> EntityUid {
    let type_name = EntityTypeName::from_str(type_name).expect("an identifier");
    EntityUid::from_type_name_and_id(type_name, EntityId::new(id))
}

/// The namespace in which the broker's own affairs are asked for. No secret can be in it: it is no path segment.
pub const WHOLE_BROKER: &str = "*";

static VOCABULARY: LazyLock<Vocabulary> =
    LazyLock::new(|| Vocabulary::parse(include_str!("operators.cedarschema")));
static SHIPPED: LazyLock<OperatorPolicy> = LazyLock::new(|| {
    let text = include_str!("../../../config/policies/operators.cedar");
    OperatorPolicy::compile(text).expect("a test compiles the shipped policy")
});
