//! End to end: a real broker process, real TLS, real TPMs in software, the real programs.
//!
//! Each test has a broker, a folder and ports of its own. What a story needs over and over is in [`world`].

#[cfg(test)]
mod chips;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod documented;
#[cfg(test)]
mod impostors;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod releases;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod secrecy;
#[cfg(test)]
mod snp;
#[cfg(test)]
mod vendors;
#[cfg(test)]
mod world;
