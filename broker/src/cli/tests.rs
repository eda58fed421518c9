use clap::CommandFactory as _;
use clap::builder::ValueParser;

use super::*;

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn t34_no_argument_takes_a_value_or_a_token() {
    fn walk(command: &clap::Command) {
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            // A path to a secret is not a secret.
            let is_path = argument.get_value_parser().type_id() == ValueParser::path_buf().type_id();
            assert!(
                is_path || !matches!(name, "value" | "token" | "password" | "secret"),
                "{}: {name}",
                command.get_name()
            );
        }
        command.get_subcommands().for_each(walk);
    }
    walk(&Cli::command());
}

#[test]
fn collateral_has_one_name_and_the_short_one_is_hidden() {
    fn walk(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let path = format!("{path} {}", command.get_name());
        for argument in command.get_arguments() {
            assert_ne!(argument.get_long(), Some("cert"), "{path}");
            assert!(argument.get_visible_aliases().unwrap_or_default().is_empty(), "{path}");
            if argument.get_aliases().unwrap_or_default().contains(&"cert") {
                assert_eq!(argument.get_long(), Some("collateral"), "{path}");
                found.push(path.clone());
            }
        }
        command.get_subcommands().for_each(|command| walk(command, &path, found));
    }
    let mut found = Vec::new();
    walk(&Cli::command(), "", &mut found);
    let kinds = ["sev-snp", "tdx", "vtpm", "google-token", "endorsement", "event-log"];
    let mut expected = kinds.map(|kind| format!(" vouchsafe verify {kind}")).to_vec();
    expected.insert(0, " vouchsafe baseline learn".to_owned());
    assert_eq!(found, expected);
}

/// Commands that need no broker, and show no options for one.
const OFFLINE: &[&str] = &[
    "vouchsafe audit",
    "vouchsafe backup",
    "vouchsafe baseline predict",
    "vouchsafe baseline sign",
    "vouchsafe baseline signer",
    "vouchsafe completions",
    "vouchsafe init",
    "vouchsafe keyring unwrap",
    "vouchsafe keyring wrap",
    "vouchsafe policy new",
    "vouchsafe policy schema",
    "vouchsafe policy test",
    "vouchsafe recover-admin",
    "vouchsafe restore",
    "vouchsafe serve",
    "vouchsafe verify",
];

#[test]
fn only_commands_that_talk_to_a_broker_have_its_options() {
    fn walk(command: &clap::Command, path: &str) {
        let path = format!("{path}{}", command.get_name());
        let mut below = command.get_subcommands().filter(|command| command.get_name() != "help").peekable();
        if below.peek().is_some() {
            return below.for_each(|command| walk(command, &format!("{path} ")));
        }
        let offline = OFFLINE.iter().any(|start| path == *start || path.starts_with(&format!("{start} ")));
        let help = command.clone().render_long_help().to_string();
        for option in ["--server", "--operator <", "--token-file"] {
            // `init` writes a token file, `recover-admin` an operator file with the server's URL.
            let own = [("vouchsafe init", "--token-file"), ("vouchsafe recover-admin", "--server")];
            let own = own.contains(&(path.as_str(), option));
            assert_eq!(help.contains(option), !offline || own, "{path}: {option}");
        }
    }
    let mut command = Cli::command();
    command.build();
    walk(&command, "");
}
