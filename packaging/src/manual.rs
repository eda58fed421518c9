//! Manual pages out of what the programs print for `--help`, so that both say the same.

use std::path::Path;
use std::process::Command;

use crate::Release;
use crate::command::text;
use crate::description::Package;

/// The page of a program in section 1: its own help, then that of each of its commands, and of theirs.
pub(crate) fn page(
    program: &Path,
    name: &str,
    package: &Package,
    release: &Release<'_>,
) -> anyhow::Result<String> {
    let (date, version) = (release.date("%Y-%m-%d")?, &release.version);
    let mut page = format!(
        ".TH {} 1 \"{date}\" \"vouchsafe {version}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n",
        escape(&name.to_uppercase()),
        escape(name),
        escape(&package.summary)
    );
    let help = text(Command::new(program).arg("--help"))?;
    section(&mut page, "DESCRIPTION", &help);
    for command in commands(&help) {
        describe(&mut page, program, name, &[command])?;
    }
    Ok(page)
}

/// Adds a section for a command, and for each below it.
fn describe(page: &mut String, program: &Path, name: &str, command: &[&str]) -> anyhow::Result<()> {
    let help = text(Command::new(program).args(command).arg("--help"))?;
    section(page, &format!("{name} {}", command.join(" ")).to_uppercase(), &help);
    for inner in commands(&help) {
        describe(page, program, name, &[command, &[inner]].concat())?;
    }
    Ok(())
}

/// Text as it is, without filling.
fn section(page: &mut String, title: &str, text: &str) {
    page.push_str(&format!(".SH \"{}\"\n.nf\n", escape(title)));
    for line in text.lines() {
        let line = escape(line.trim_end());
        // A dot or an apostrophe at the start of a line would be a request.
        let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
        page.push_str(&format!("{guard}{line}\n"));
    }
    page.push_str(".fi\n");
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// The names below `Commands:`, which are indented by two spaces. `help` is clap's own.
fn commands(help: &str) -> Vec<&str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| line.starts_with(' ')).filter(|line| !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_from_the_help() {
        let help = "Does.\n\nUsage: x\n\nCommands:\n  one    Does one\n           more\n  two-a  Two\n  help   Print\n\nOptions:\n  -h  x\n";
        assert_eq!(commands(help), ["one", "two-a"]);
        assert_eq!(commands("Usage: x\n"), Vec::<&str>::new());
    }

    #[test]
    fn text_is_no_request_of_roff() {
        let mut page = String::new();
        section(&mut page, "X", ".so /etc/shadow\na\\b --c\n");
        assert_eq!(page, ".SH \"X\"\n.nf\n\\&.so /etc/shadow\na\\eb \\-\\-c\n.fi\n");
    }
}
