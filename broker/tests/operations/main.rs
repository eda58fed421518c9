//! The operator's tool and a broker, both as processes: `init`, and what operators change and read.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod damaged;
#[cfg(test)]
mod init;
#[cfg(test)]
mod locked;
#[cfg(test)]
mod modes;
#[cfg(test)]
mod process;
#[cfg(test)]
mod promotion;
#[cfg(test)]
mod recover;
#[cfg(test)]
mod serve;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tokens;
