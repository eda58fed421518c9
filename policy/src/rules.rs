//! The text of a policy: limited, parsed, validated against the schema and split into conditions for
//! explanations.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use cedar_policy::ffi::DetailedError;
use cedar_policy::pst::{self, BinaryOp, Clause, Effect, StaticPolicy, Template};
use cedar_policy::{Expression, Policy, PolicyId, PolicySet, ValidationMode, Validator};
use vouchsafe_protocol::{Digest32, ObjectName};

use super::acceptance::Acceptance;
use super::expression::{self, ClaimPath, clause_expr};
use super::purpose::{Purpose, UnknownPurpose};
use super::reads::ReadSet;
use super::schema::Vocabulary;
use super::source::{PolicySource, on_large_stack};

mod error;
mod notes;

pub use error::PolicyError;
pub use notes::{SourceNote, SourcePosition};

/// A validated policy set, with its conditions for explanations.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) digest: Digest32,
    pub(super) set: PolicySet,
    pub(super) statements: BTreeMap<String, Statement>,
    pub(super) baselines: BTreeSet<ObjectName>,
    /// The claims that its statements read.
    pub(super) reads: ReadSet,
}

impl Rules {
    pub(super) fn compile(text: &str, vocabulary: &Vocabulary) -> Result<Self, PolicyError> {
        let source = PolicySource::new(text)?;
        on_large_stack(|| compile(&source, vocabulary))?
    }

    pub(super) fn permits(&self) -> impl Iterator<Item = &Statement> {
        self.statements.values().filter(|statement| statement.template.effect == Effect::Permit)
    }

    pub(super) fn forbids(&self) -> impl Iterator<Item = &Statement> {
        self.statements.values().filter(|statement| statement.template.effect == Effect::Forbid)
    }
}

/// One permit or forbid.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) id: String,
    pub(super) reason: Option<String>,
    pub(super) purpose: Option<Purpose>,
    pub(super) accepts: BTreeSet<Acceptance>,
    pub(super) baselines: BTreeSet<ObjectName>,
    pub(super) template: Template,
    /// The statement without its conditions.
    pub(super) scope: PolicySet,
    /// Conditions that must have their wanted value for this statement not to prevent the release.
    pub(super) conditions: Vec<Condition>,
}

/// A part of a policy with a separate value.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) text: String,
    pub(super) expression: Expression,
    /// The value that it must have.
    pub(super) wanted: bool,
    pub(super) paths: Vec<ClaimPath>,
}

fn compile(source: &PolicySource, vocabulary: &Vocabulary) -> Result<Rules, PolicyError> {
    let raw = PolicySet::from_str(source.as_str())
        .map_err(|errors| PolicyError::Syntax { details: notes::of_parser(source.as_str(), &errors) })?;
    if raw.num_of_templates() > 0 {
        return Err(PolicyError::Template);
    }
    let mut policies = Vec::new();
    let mut statements = BTreeMap::new();
    let mut baselines = BTreeSet::new();
    let mut reads = ReadSet::default();
    for (index, policy) in raw.policies().enumerate() {
        let policy = named(policy, index + 1)?;
        let statement = statement(&policy)?;
        baselines.extend(statement.baselines.iter().cloned());
        statement.template.clauses().iter().for_each(|clause| reads.add(clause_expr(clause)));
        let id = statement.id.clone();
        if statements.insert(id.clone(), statement).is_some() {
            return Err(PolicyError::DuplicateId { id });
        }
        policies.push(policy);
    }
    let set = PolicySet::from_policies(policies).map_err(|error| PolicyError::general(&error))?;
    validate(&set, source.as_str(), vocabulary, &statements)?;
    Ok(Rules { digest: Digest32::of(source.as_str().as_bytes()), set, statements, baselines, reads })
}

/// Makes the `@id` the policy's id.
fn named(policy: &Policy, number: usize) -> Result<Policy, PolicyError> {
    let id = policy.annotation("id").ok_or(PolicyError::MissingId { number })?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if id.is_empty() || id.len() > 64 || !id.chars().all(plain) {
        return Err(PolicyError::MalformedId { id: id.to_owned() });
    }
    Ok(policy.new_id(PolicyId::new(id)))
}

/// Strict; an impossible condition is only a warning in Cedar, but an error here.
fn validate(
    set: &PolicySet,
    source: &str,
    vocabulary: &Vocabulary,
    statements: &BTreeMap<String, Statement>,
) -> Result<(), PolicyError> {
    let result = Validator::new(vocabulary.schema.clone()).validate(set, ValidationMode::Strict);
    let errors = result.validation_errors().map(DetailedError::from);
    let found = errors.chain(result.validation_warnings().map(DetailedError::from));
    let details = notes::of_validator(
        source,
        vocabulary,
        found,
        statements.values().map(|statement| &statement.template),
    );
    if details.is_empty() { Ok(()) } else { Err(PolicyError::Invalid { details }) }
}

fn statement(policy: &Policy) -> Result<Statement, PolicyError> {
    let id = AsRef::<str>::as_ref(policy.id()).to_owned();
    let template = policy.to_pst().map_err(|error| PolicyError::general(&error))?.body().clone();
    let too_deep = |clause: &Clause| expression::depth(clause_expr(clause)) > expression::MAX_DEPTH;
    if template.clauses().iter().any(too_deep) {
        return Err(PolicyError::TooDeep { id });
    }
    let (mut purpose, mut accepts) = (None, BTreeSet::new());
    for (annotation, value) in policy.annotations() {
        match annotation {
            "id" | "reason" => {}
            "for" => {
                let unknown = || PolicyError::UnknownPurpose { id: id.clone(), value: value.to_owned() };
                purpose = Some(value.parse().map_err(|UnknownPurpose| unknown())?);
            }
            "accepts" => accepts = acceptances(&id, value)?,
            _ => {
                let annotation = annotation.to_owned();
                return Err(PolicyError::UnknownAnnotation { id, annotation });
            }
        }
    }
    Ok(Statement {
        reason: policy.annotation("reason").map(str::to_owned),
        purpose,
        accepts,
        baselines: baselines(policy, &id)?,
        conditions: conditions(&template)?,
        scope: scope(&template)?,
        template,
        id,
    })
}

fn acceptances(id: &str, value: &str) -> Result<BTreeSet<Acceptance>, PolicyError> {
    let codes = value.split(',').map(str::trim);
    let unknown = |code: &str| PolicyError::UnknownAcceptance { id: id.to_owned(), code: code.to_owned() };
    codes.map(|code| Acceptance::from_code(code).ok_or_else(|| unknown(code))).collect()
}

fn baselines(policy: &Policy, id: &str) -> Result<BTreeSet<ObjectName>, PolicyError> {
    let literals = policy.entity_literals();
    let names = literals.iter().filter(|uid| uid.type_name().basename() == "Baseline");
    let parse = |name: &str| {
        ObjectName::parse(name)
            .map_err(|_| PolicyError::BaselineName { id: id.to_owned(), name: name.to_owned() })
    };
    names.map(|uid| parse(uid.id().unescaped())).collect()
}

fn scope(template: &Template) -> Result<PolicySet, PolicyError> {
    let syntax = |error: &dyn fmt::Display| PolicyError::general(error);
    let bare = Template::new(
        template.id.clone(),
        template.effect,
        template.principal.clone(),
        template.action.clone(),
        template.resource.clone(),
    );
    let bare = StaticPolicy::try_from(bare).map_err(|error| syntax(&error))?;
    let policy = Policy::from_pst(pst::Policy::Static(bare)).map_err(|error| syntax(&error))?;
    PolicySet::from_policies([policy]).map_err(|error| syntax(&error))
}

/// The parts of a statement, in the order in which a reader looks for what failed.
///
/// A permit needs its `when`s true and its `unless`es false. A forbid does not apply as soon as one `unless`
/// is true or one `when` is false; the parts of its `unless` come first, since they state what is required.
fn conditions(template: &Template) -> Result<Vec<Condition>, PolicyError> {
    let permits = template.effect == Effect::Permit;
    let mut all = Vec::new();
    for clause in template.clauses() {
        let wanted = matches!(clause, Clause::When(_)) == permits;
        let op = if wanted { BinaryOp::And } else { BinaryOp::Or };
        for part in expression::operands(clause_expr(clause), op) {
            all.push(condition(&part, wanted)?);
        }
    }
    if !permits {
        all.sort_by_key(|condition| !condition.wanted);
    }
    Ok(all)
}

fn condition(expr: &pst::Expr, wanted: bool) -> Result<Condition, PolicyError> {
    let text = expr.to_string();
    let expression = Expression::from_str(&text).map_err(|error| PolicyError::general(&error))?;
    Ok(Condition { text, expression, wanted, paths: expression::paths(expr) })
}
