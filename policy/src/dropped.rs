//! Which shipped rules a text of guardrails omits or changes.
//!
//! A rule is identified by its `@id`. Only its conditions are compared: reasons, comments and order are up to
//! the administrator. Whether changed conditions are weaker or stricter is not evaluated.

use std::collections::BTreeMap;
use std::fmt;

use cedar_policy::pst::Template;

use super::compiled::Guardrails;

/// How guardrails differ from a shipped rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// No rule has its id.
    Missing,
    /// The rule with its id forbids something else.
    Changed,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Changed => "changed",
        })
    }
}

impl Guardrails {
    /// The shipped rules that these guardrails omit or change, by id.
    #[must_use]
    pub fn dropped(&self) -> BTreeMap<String, Dropped> {
        let shipped = Self::shipped();
        let ours = &self.rules().statements;
        let departs = |id: &String, rule: &Template| match ours.get(id) {
            None => Some(Dropped::Missing),
            Some(statement) if !same(&statement.template, rule) => Some(Dropped::Changed),
            Some(_) => None,
        };
        let rules = shipped.rules().statements.iter();
        rules.filter_map(|(id, rule)| Some((id.clone(), departs(id, &rule.template)?))).collect()
    }
}

/// Everything but id and annotations.
fn same(one: &Template, other: &Template) -> bool {
    one.effect == other.effect
        && one.principal == other.principal
        && one.action == other.action
        && one.resource == other.resource
        && one.clauses() == other.clauses()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SHIPPED_GUARDRAILS;

    fn dropped(text: &str) -> BTreeMap<String, Dropped> {
        Guardrails::compile(text).unwrap().dropped()
    }

    #[test]
    fn the_shipped_text_drops_nothing() {
        assert_eq!(dropped(SHIPPED_GUARDRAILS), BTreeMap::new());
    }

    #[test]
    fn a_missing_rule_and_a_changed_one_are_named() {
        let without = SHIPPED_GUARDRAILS.replace("@id(\"snp-vmpl-0\")", "@id(\"ours\")");
        assert_eq!(dropped(&without), [("snp-vmpl-0".to_owned(), Dropped::Missing)].into());
        let weaker = SHIPPED_GUARDRAILS.replace("principal.snp.vmpl != 0", "principal.snp.vmpl > 2");
        assert_eq!(dropped(&weaker), [("snp-vmpl-0".to_owned(), Dropped::Changed)].into());
        let narrower = SHIPPED_GUARDRAILS.replace(
            "@id(\"protocol-v1\")\n@reason(\"releases by the KBS protocol are off\")\nforbid (principal is Vm, action == Action::\"release\", resource)",
            "@id(\"protocol-v1\")\n@reason(\"releases by the KBS protocol are off\")\nforbid (principal is Vm, action == Action::\"release\", resource in Namespace::\"prod\")",
        );
        assert_eq!(dropped(&narrower), [("protocol-v1".to_owned(), Dropped::Changed)].into());
    }

    #[test]
    fn reasons_and_further_rules_are_the_administrators() {
        let more = SHIPPED_GUARDRAILS.replace("the firmware is provisional", "not committed")
            + "@id(\"ours\") forbid (principal is Vm, action == Action::\"release\", resource) \
               when { context.purpose == Purpose::\"disk\" };";
        assert_eq!(dropped(&more), BTreeMap::new());
    }
}
