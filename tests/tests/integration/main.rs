//! End to end: a real broker process, real TLS, real TPMs in software, the real programs.
//!
//! Each test has its own broker, folder and ports. Common helpers are in [`world`].

#[cfg(test)]
mod backup;
#[cfg(test)]
mod chips;
#[cfg(test)]
mod clevis;
#[cfg(test)]
mod component_lists;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod documented;
#[cfg(test)]
mod drills;
#[cfg(test)]
mod identities;
#[cfg(test)]
mod impostors;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod proposals;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod releases;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod secrecy;
#[cfg(test)]
mod snp;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod vendors;
#[cfg(test)]
mod volumes;
#[cfg(test)]
mod world;
