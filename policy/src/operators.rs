//! Authorization of operators: role, action, namespace. Deny by default.
//!
//! It has its own schema and policy set, which are never evaluated together with release policies.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::str::FromStr;
use std::sync::{LazyLock, Mutex, PoisonError};

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request,
    RestrictedExpression,
};
use serde::{Deserialize, Serialize};

use super::rules::{PolicyError, Rules};
use super::schema::Vocabulary;

/// An operator's role. It has the same names in the database, in the API, on the command line and in Cedar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperatorRole {
    /// Every action, everywhere.
    Administrator,
    /// Secrets, policies and baselines of its namespaces.
    Editor,
    /// Reads records and objects of its namespaces, or of all.
    Auditor,
}

impl OperatorRole {
    /// Every role there is.
    pub const ALL: [Self; 3] = [Self::Administrator, Self::Editor, Self::Auditor];

    /// The name in the database, in requests and in policies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Editor => "editor",
            Self::Auditor => "auditor",
        }
    }

    /// The permission table: where this role may do this action. The operators' policy says the same in
    /// Cedar, and a test compares the two for every role, action and namespace.
    #[must_use]
    pub const fn scope(self, action: OperatorAction) -> Scope {
        use OperatorAction as A;
        match (self, action) {
            (Self::Administrator, _) | (Self::Editor | Self::Auditor, A::ReadGuardrails) => Scope::Everywhere,
            (Self::Editor | Self::Auditor, A::ReadRecords | A::ReadObjects) => Scope::Assigned,
            (Self::Editor, A::ManageSecrets | A::ManagePolicies | A::ManageBaselines) => {
                Scope::AssignedNotShared
            }
            (
                Self::Editor,
                A::ManageGuardrails | A::ManageOperators | A::ManageCollateral | A::ManageKeyring,
            )
            | (
                Self::Auditor,
                A::ManageSecrets
                | A::ManagePolicies
                | A::ManageBaselines
                | A::ManageGuardrails
                | A::ManageOperators
                | A::ManageCollateral
                | A::ManageKeyring,
            ) => Scope::Nowhere,
        }
    }
}

/// Where a role may do an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In every namespace, and for the whole broker.
    Everywhere,
    /// In the operator's namespaces; for an auditor of `*` everywhere.
    Assigned,
    /// The same without `shared`, where only administrators write.
    AssignedNotShared,
    /// Not permitted anywhere.
    Nowhere,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Everywhere => "everywhere",
            Self::Assigned => "its namespaces",
            Self::AssignedNotShared => "its namespaces, not shared",
            Self::Nowhere => "-",
        })
    }
}

impl fmt::Display for OperatorRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is not a role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is administrator, editor or auditor")]
pub struct UnknownRole;

impl FromStr for OperatorRole {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

/// An authenticated operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorIdentity {
    /// Its name, for the record.
    pub name: String,
    /// Its role.
    pub role: OperatorRole,
    /// The operator's namespaces; [`WHOLE_BROKER`] stands for all. Meaningless for administrators.
    pub namespaces: Vec<String>,
    /// The change of the keystore that issued the operator's token: another token, or account of this name, has another.
    pub epoch: u64,
}

/// An action of operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperatorAction {
    /// Read decisions and the log.
    ReadRecords,
    /// List secrets, read policies and baselines.
    ReadObjects,
    /// Put, generate, retire, restore and destroy secrets.
    ManageSecrets,
    /// Read the guardrails, which apply to every policy.
    ReadGuardrails,
    /// Put policies.
    ManagePolicies,
    /// Put and revoke baselines.
    ManageBaselines,
    /// Put guardrails.
    ManageGuardrails,
    /// Add and remove operators, and replace their tokens.
    ManageOperators,
    /// Import certificates and CRLs.
    ManageCollateral,
    /// Rotate the keyring and the broker's identity, and see what needs which generation.
    ManageKeyring,
}

impl OperatorAction {
    /// Every action there is.
    pub const ALL: [Self; 10] = [
        Self::ReadRecords,
        Self::ReadObjects,
        Self::ReadGuardrails,
        Self::ManageSecrets,
        Self::ManagePolicies,
        Self::ManageBaselines,
        Self::ManageGuardrails,
        Self::ManageOperators,
        Self::ManageCollateral,
        Self::ManageKeyring,
    ];

    /// The name in the operators' policy.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadRecords => "read-records",
            Self::ReadObjects => "read-objects",
            Self::ReadGuardrails => "read-guardrails",
            Self::ManageSecrets => "manage-secrets",
            Self::ManagePolicies => "manage-policies",
            Self::ManageBaselines => "manage-baselines",
            Self::ManageGuardrails => "manage-guardrails",
            Self::ManageOperators => "manage-operators",
            Self::ManageCollateral => "manage-collateral",
            Self::ManageKeyring => "manage-keyring",
        }
    }
}

impl fmt::Display for OperatorAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The operator may not do this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{role} {operator:?} may not {action} in {namespace:?}")]
pub struct NotAuthorized {
    /// The operator's name.
    pub operator: String,
    /// Its role.
    pub role: OperatorRole,
    /// The action.
    pub action: OperatorAction,
    /// The namespace.
    pub namespace: String,
}

/// Permission for one operator to do one action in one namespace. Only [`OperatorPolicy::authorize`] makes
/// one, for an operator that authentication has identified. Changes and scoped reads of the keystore require
/// it.
///
/// There is no other way to make one:
/// ```compile_fail,E0451
/// use vouchsafe_policy::operators::{OperatorAction, OperatorIdentity, Permit};
/// fn forged(operator: OperatorIdentity) -> Permit {
///     Permit { operator, action: OperatorAction::ManageSecrets, namespace: "prod".to_owned() }
/// }
/// ```
#[derive(Debug)]
pub struct Permit {
    operator: OperatorIdentity,
    action: OperatorAction,
    namespace: String,
}

impl Permit {
    /// Its holder.
    #[must_use]
    pub const fn operator(&self) -> &OperatorIdentity {
        &self.operator
    }

    /// Whether it is for exactly this action and namespace. A permit for one namespace, or for the whole
    /// broker, does not cover another.
    #[must_use]
    pub fn covers(&self, action: OperatorAction, namespace: &str) -> bool {
        self.action == action && self.namespace == namespace
    }
}

/// All permissions that one operator has for one action: for lists, whose items are in many namespaces. Only
/// [`operator_permits`] makes one; for each namespace it gives the same result as [`authorize_operator`].
#[derive(Debug)]
pub struct Permits {
    operator: OperatorIdentity,
    action: OperatorAction,
    /// Namespaces already evaluated: an evaluation takes longer than reading a record.
    asked: Mutex<BTreeMap<String, bool>>,
}

impl Permits {
    /// What they are for.
    #[must_use]
    pub const fn action(&self) -> OperatorAction {
        self.action
    }

    /// Whether there is a permission to do exactly this there.
    #[must_use]
    pub fn cover(&self, action: OperatorAction, namespace: &str) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let allows = || OperatorPolicy::shipped().allows(&self.operator, self.action, namespace);
        self.action == action && *asked.entry(namespace.to_owned()).or_insert_with(allows)
    }

    /// The namespaces of the operator that they cover; `None` where they cover the whole broker.
    #[must_use]
    pub fn namespaces(&self) -> Option<Vec<String>> {
        if self.cover(self.action, WHOLE_BROKER) {
            return None;
        }
        let covered = |namespace: &&String| self.cover(self.action, namespace);
        Some(self.operator.namespaces.iter().filter(covered).cloned().collect())
    }
}

/// The operators' policy.
#[derive(Debug)]
pub struct OperatorPolicy(Rules);

impl OperatorPolicy {
    /// Parses and validates against the operators' schema. Private to this crate: a policy that permits
    /// everything would give permits for everything.
    pub(crate) fn compile(text: &str) -> Result<Self, PolicyError> {
        Rules::compile(text, &VOCABULARY).map(Self)
    }

    /// The policy that this version ships (`config/policies/operators.cedar`).
    #[must_use]
    pub fn shipped() -> &'static Self {
        &SHIPPED
    }

    /// The permit for this action in `namespace`, if the operator has the permission. For actions on the
    /// whole broker, pass [`WHOLE_BROKER`].
    ///
    /// # Errors
    /// [`NotAuthorized`], also when an evaluation fails.
    pub fn authorize(
        &self,
        operator: &OperatorIdentity,
        action: OperatorAction,
        namespace: &str,
    ) -> Result<Permit, NotAuthorized> {
        if self.allows(operator, action, namespace) {
            return Ok(Permit { operator: operator.clone(), action, namespace: namespace.to_owned() });
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

/// [`OperatorPolicy::authorize`] with the shipped operators' policy.
///
/// # Errors
/// [`NotAuthorized`].
pub fn authorize_operator(
    operator: &OperatorIdentity,
    action: OperatorAction,
    namespace: &str,
) -> Result<Permit, NotAuthorized> {
    OperatorPolicy::shipped().authorize(operator, action, namespace)
}

/// Every permission of the operator for this action, by the shipped operators' policy.
#[must_use]
pub fn operator_permits(operator: &OperatorIdentity, action: OperatorAction) -> Permits {
    Permits { operator: operator.clone(), action, asked: Mutex::default() }
}

fn uid(type_name: &str, id: &str) -> EntityUid {
    let type_name = EntityTypeName::from_str(type_name).expect("an identifier");
    EntityUid::from_type_name_and_id(type_name, EntityId::new(id))
}

/// The pseudo-namespace for actions on the whole broker; in an auditor's list it stands for all namespaces.
/// It contains no secrets, since it is not a valid path segment.
pub const WHOLE_BROKER: &str = "*";

static VOCABULARY: LazyLock<Vocabulary> =
    LazyLock::new(|| Vocabulary::parse(include_str!("operators.cedarschema")));
static SHIPPED: LazyLock<OperatorPolicy> = LazyLock::new(|| {
    let text = include_str!("../../config/policies/operators.cedar");
    OperatorPolicy::compile(text).expect("a test compiles the shipped policy")
});
