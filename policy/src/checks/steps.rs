//! A budget for the analysis of a policy, counted in steps and not in time.

/// Remaining steps. One step evaluates one condition once.
#[derive(Debug)]
pub(crate) struct Steps {
    left: usize,
}

/// The policy needs more steps than the budget has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooComplex;

impl Steps {
    pub(crate) const fn new(budget: usize) -> Self {
        Self { left: budget }
    }

    pub(super) fn take(&mut self, steps: usize) -> Result<(), TooComplex> {
        self.left = self.left.checked_sub(steps).ok_or(TooComplex)?;
        Ok(())
    }

    #[cfg(test)]
    pub(crate) const fn left(&self) -> usize {
        self.left
    }
}

/// For the alternatives of one statement.
pub(crate) const PER_STATEMENT: usize = 250_000;
/// For the search for what a permit leaves open, with all forbids.
pub(crate) const PER_CHECK: usize = 2_000_000;
