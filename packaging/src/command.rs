//! Runs other programs.

use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// Runs a command and returns its standard output.
///
/// # Errors
/// When it cannot be started, or fails; the message has what it printed.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| {
        format!("{name}: cannot be run; `scripts/setup` lists the packages that are needed")
    })?;
    let printed = || {
        let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        String::from_utf8_lossy(&both).into_owned()
    };
    ensure!(output.status.success(), "{name}: {}\n{}", output.status, printed());
    Ok(output.stdout)
}

/// The same as text.
///
/// # Errors
/// As [`output`], and when it is no text.
pub(crate) fn text(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    String::from_utf8(output(command)?).with_context(|| format!("{name}: printed something that is no text"))
}
