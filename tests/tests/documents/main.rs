//! The documents' statements about the tree are true: links, threats, names of types and of refusals,
//! recipes, the sample unit, what distributions get.

#[cfg(test)]
mod glossary;
#[cfg(test)]
mod knots;
#[cfg(test)]
mod links;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod packaging;
#[cfg(test)]
mod recipes;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod threats;
#[cfg(test)]
mod tree;
#[cfg(test)]
mod unit;
