//! A program without symbols, and what it needs to run, by binutils.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::ensure;

use crate::command::{output, text};

/// A program as it is shipped.
pub(crate) struct Stripped {
    /// The file.
    pub(crate) bytes: Vec<u8>,
    /// What it needs.
    pub(crate) needs: Needs,
}

impl Stripped {
    /// Takes out what only a debugger reads. The program keeps its notes: without them binutils 2.40 also drops the segment that has
    /// the loader write-protect addresses of functions (RELRO).
    pub(crate) fn of(program: &Path) -> anyhow::Result<Self> {
        let file = tempfile::NamedTempFile::new()?;
        let strip = ["--strip-unneeded", "--remove-section=.comment", "-o"];
        output(Command::new("strip").args(strip).arg(file.path()).arg(program))?;
        let headers = text(Command::new("objdump").arg("-p").arg(file.path()).env("LC_ALL", "C"))?;
        ensure!(
            headers.lines().any(|line| line.trim_start().starts_with("RELRO")),
            "{}: has no RELRO segment",
            program.display()
        );
        Ok(Self { bytes: fs::read(file.path())?, needs: Needs::of(file.path())? })
    }
}

/// The libraries that a program names, and the version of glibc that it needs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// SONAMEs.
    pub(crate) libraries: BTreeSet<String>,
    /// Major and minor.
    pub(crate) glibc: Option<(u32, u32)>,
}

impl Needs {
    fn of(program: &Path) -> anyhow::Result<Self> {
        let listed = text(Command::new("objdump").args(["-p", "-T"]).arg(program).env("LC_ALL", "C"))?;
        Ok(Self::parse(&listed))
    }

    fn parse(listed: &str) -> Self {
        let libraries = listed.lines().filter_map(|line| line.trim().strip_prefix("NEEDED"));
        let versions = listed.match_indices("GLIBC_").filter_map(|(start, mark)| {
            let rest = listed.get(start + mark.len()..)?;
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let mut parts = rest.get(..end)?.split('.');
            Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
        });
        Self { libraries: libraries.map(|name| name.trim().to_owned()).collect(), glibc: versions.max() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_highest_version_of_glibc_are_found() {
        let listed = "  NEEDED               libm.so.6\n  NEEDED               libc.so.6\n\
                      0 DF *UND* 0 (GLIBC_2.4) memcpy\n0 DF *UND* 0 (GLIBC_2.34) x\n0 DF (GLIBC_2.9)  y\n(GLIBC_PRIVATE)";
        let expected = ["libc.so.6", "libm.so.6"].map(ToOwned::to_owned);
        assert_eq!(Needs::parse(listed), Needs { libraries: expected.into(), glibc: Some((2, 34)) });
    }

    #[test]
    fn a_program_keeps_its_protection_and_one_without_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (source, program) = (folder.path().join("a.c"), folder.path().join("a"));
        fs::write(&source, "int main(void) { return 0; }").unwrap();
        let build = |option: &str| {
            output(Command::new("cc").arg(option).arg("-o").arg(&program).arg(&source)).unwrap();
            Stripped::of(&program).map(|stripped| stripped.needs.libraries)
        };
        assert!(build("-Wl,-z,relro,-z,now").unwrap().contains("libc.so.6"));
        let refused = build("-Wl,-z,norelro").unwrap_err().to_string();
        assert_eq!(refused, format!("{}: has no RELRO segment", program.display()));
    }
}
