//! Help texts whose paragraphs flow: what stands on several lines of a source is broken where the terminal ends, and not there as well.

use clap::{Command, CommandFactory};

use crate::Cli;

/// The command with all its subcommands.
pub fn command() -> Command {
    flowing(Cli::command())
}

fn flowing(command: Command) -> Command {
    let long = command.get_long_about().map(|text| flowed(&text.to_string()));
    let command = match long {
        Some(text) => command.long_about(text),
        None => command,
    };
    command.mut_subcommands(flowing)
}

/// The text with each paragraph on one line. Lines that are indented stand by themselves: examples, lists.
fn flowed(text: &str) -> String {
    let mut flowed = String::new();
    let mut last = "";
    for line in text.lines() {
        let stands_alone = |line: &str| line.trim().is_empty() || line.starts_with(char::is_whitespace);
        let goes_on = !stands_alone(last) && !stands_alone(line);
        if !flowed.is_empty() {
            flowed.push(if goes_on { ' ' } else { '\n' });
        }
        flowed.push_str(line);
        last = line;
    }
    flowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_flow_and_examples_stand() {
        let text = "One\n\nTwo lines of\na paragraph.\n  a  list\n  b\nand\nmore\n\nExamples:\n  syncline x\n  syncline y";
        let flowed_text = "One\n\nTwo lines of a paragraph.\n  a  list\n  b\nand more\n\nExamples:\n  syncline x\n  syncline y";
        assert_eq!(flowed(text), flowed_text);
    }
}
