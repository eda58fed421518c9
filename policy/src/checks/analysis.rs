//! The analysis of a policy, made when it is compiled: every way in which its permits hold and its forbids do
//! not.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::pst::{Clause, Expr};

use super::atoms::Atoms;
use super::branches::{self, Branch, Splitter};
use super::facts::Facts;
use super::findings::CheckError;
use super::gap::{Gap, Note};
use super::gaps::{self, Circumstances, INSTANCES};
use super::known::KnownBaselines;
use super::steps::{PER_STATEMENT, Steps, TooComplex};
use crate::expression::clause_expr;
use crate::rules::{Rules, Statement};

/// All alternatives of a policy's statements.
#[derive(Debug)]
pub(crate) struct Analysis {
    atoms: Atoms,
    /// The ways in which each permit holds, by its id.
    permits: BTreeMap<String, Result<Vec<Way>, TooComplex>>,
    /// The ways in which each forbid does not hold, those with the fewest first. A forbid that is too
    /// complex, or only about some VMs or secrets, is omitted: releases that it may forbid count as possible.
    forbids: Vec<Vec<Branch>>,
    project_numbers: BTreeSet<u64>,
    /// The most steps that any statement took.
    #[cfg(test)]
    pub(crate) most_steps: usize,
}

/// One way in which a permit holds.
#[derive(Debug)]
struct Way {
    branch: Branch,
    /// Claims required by the permit's own conditions.
    asked: BTreeSet<String>,
}

impl Analysis {
    /// Analyses the statements; bounded by [`PER_STATEMENT`] for each.
    pub(crate) fn new<'s>(statements: impl Iterator<Item = &'s Statement>) -> Self {
        let mut analysis = Self {
            atoms: Atoms::default(),
            permits: BTreeMap::new(),
            forbids: Vec::new(),
            project_numbers: BTreeSet::new(),
            #[cfg(test)]
            most_steps: 0,
        };
        for statement in statements {
            analysis.add(statement);
        }
        analysis.forbids.sort_by_key(Vec::len);
        analysis.project_numbers = analysis.find_project_numbers();
        analysis
    }

    fn add(&mut self, statement: &Statement) {
        let template = &statement.template;
        let mut splitter = Splitter { atoms: &mut self.atoms, steps: Steps::new(PER_STATEMENT) };
        let permits = template.effect == cedar_policy::pst::Effect::Permit;
        let found = if permits { splitter.permitted(template) } else { splitter.not_forbidden(template) };
        #[cfg(test)]
        {
            self.most_steps = self.most_steps.max(PER_STATEMENT - splitter.steps.left());
        }
        if permits {
            let ways =
                found.map(|found| found.into_iter().map(|branch| Way::new(branch, &self.atoms)).collect());
            self.permits.insert(statement.id.clone(), ways);
        } else if branches::is_general(template)
            && let Ok(found) = found
        {
            self.forbids.push(found);
        }
    }

    /// Project numbers that permits and forbids compare the owner with.
    pub(crate) const fn project_numbers(&self) -> &BTreeSet<u64> {
        &self.project_numbers
    }

    fn find_project_numbers(&self) -> BTreeSet<u64> {
        let permitted = self.permits.values().flatten().flatten().map(|way| &way.branch);
        let nothing = BTreeSet::new();
        let numbers = permitted.chain(self.forbids.iter().flatten()).flat_map(|branch| {
            let facts = Facts::new(branch, &self.atoms, &nothing);
            let claims = INSTANCES.map(|instance| format!("{instance}.project_number"));
            let values = claims.iter().flat_map(|claim| facts.values(claim));
            values.filter_map(|number| number.parse().ok()).collect::<Vec<u64>>()
        });
        numbers.collect()
    }

    /// Adds the gaps of each permit; returns notes. When `steps` run out, the gaps found so far are reported.
    pub(crate) fn check(
        &self,
        rules: &Rules,
        baselines: &KnownBaselines,
        steps: &mut Steps,
        found: &mut Vec<CheckError>,
    ) -> Vec<Note> {
        let mut notes = Vec::new();
        for permit in rules.permits() {
            let id = permit.id.clone();
            match self.permits.get(&id) {
                Some(Ok(ways)) if ways.is_empty() => found.push(CheckError::NeverHolds { id }),
                Some(Ok(ways)) => {
                    let circumstances =
                        Circumstances { purpose: permit.purpose, accepts: &permit.accepts, baselines };
                    let mut search = Search { analysis: self, circumstances, steps: &mut *steps };
                    let gaps = search.gaps(permit, ways);
                    found.extend(gaps.into_iter().map(|gap| CheckError::Gap { id: id.clone(), gap }));
                    search.notes(ways, &mut notes);
                }
                Some(Err(TooComplex)) | None => found.push(CheckError::TooComplex { id }),
            }
        }
        notes
    }
}

impl Way {
    fn new(branch: Branch, atoms: &Atoms) -> Self {
        let asked = Facts::asked(&branch, atoms);
        Self { branch, asked }
    }
}

/// The search for a way that passes all forbids and leaves something open.
struct Search<'a> {
    analysis: &'a Analysis,
    circumstances: Circumstances<'a>,
    steps: &'a mut Steps,
}

impl Search<'_> {
    fn gaps(&mut self, permit: &Statement, ways: &[Way]) -> Vec<Gap> {
        let mut reported: Vec<Gap> = Vec::new();
        if is_unconditional(permit) && !permit.accepts.contains(&Gap::Unconditional.acceptance()) {
            reported.push(Gap::Unconditional);
        }
        let analysis = self.analysis;
        for way in ways {
            let open = gaps::of(&Facts::new(&way.branch, &analysis.atoms, &way.asked), &self.circumstances);
            for gap in open.into_iter().filter(|gap| !reported.contains(gap)).collect::<Vec<_>>() {
                let left = |facts: &Facts<'_>, circumstances: &Circumstances<'_>| {
                    gaps::of(facts, circumstances).into_iter().find(|other| other.is_about(&gap))
                };
                let left = self.left(way, &left);
                left.into_iter().for_each(|gap| report(&mut reported, gap));
            }
        }
        reported
    }

    fn notes(&mut self, ways: &[Way], notes: &mut Vec<Note>) {
        let analysis = self.analysis;
        for way in ways {
            for note in Note::of(&Facts::new(&way.branch, &analysis.atoms, &way.asked)) {
                let left = |facts: &Facts<'_>, _: &Circumstances<'_>| {
                    Note::of(facts).into_iter().find(|other| *other == note)
                };
                if !notes.contains(&note) {
                    notes.extend(self.left(way, &left));
                }
            }
        }
    }

    /// The gaps on the first way past all forbids that has any. A search that would take too long returns the
    /// gaps found so far, which are correct for the policy without the remaining forbids.
    fn left<T>(
        &mut self,
        way: &Way,
        left: &dyn Fn(&Facts<'_>, &Circumstances<'_>) -> Option<T>,
    ) -> Option<T> {
        let atoms = &self.analysis.atoms;
        // No recursion: there may be many forbids.
        let mut stack = vec![(way.branch.clone(), 0)];
        while let Some((branch, forbid)) = stack.pop() {
            let Some(open) = left(&Facts::new(&branch, atoms, &way.asked), &self.circumstances) else {
                continue;
            };
            let Some(alternatives) = self.analysis.forbids.get(forbid) else { return Some(open) };
            for alternative in alternatives.iter().rev() {
                match branch.join(alternative, atoms, self.steps) {
                    Ok(Some(joined)) => stack.push((joined, forbid + 1)),
                    Ok(None) => {}
                    Err(TooComplex) => return Some(open),
                }
            }
        }
        None
    }
}

fn is_unconditional(permit: &Statement) -> bool {
    let trivial = |clause: &Clause| matches!(clause_expr(clause).as_ref(), Expr::Literal(_));
    !branches::names_baseline(&permit.template) && permit.template.clauses().iter().all(trivial)
}

/// Among gaps about the boot, only the one that leaves most open is reported.
fn report(reported: &mut Vec<Gap>, gap: Gap) {
    match reported.iter_mut().find(|other| other.is_about(&gap)) {
        Some(other) if gap.boot_rank() > other.boot_rank() => *other = gap,
        Some(_) => {}
        None => reported.push(gap),
    }
}
