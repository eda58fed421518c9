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
            // A path to one is none.
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
