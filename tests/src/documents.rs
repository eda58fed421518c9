//! Commands in the documentation's Markdown.
//!
//! A block that is indented by four spaces, or fenced as `sh`, contains commands if one of its lines starts
//! with a program that the documentation uses. Other blocks are texts.

/// A command in the documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentedCommand {
    /// The document's name.
    pub document: String,
    /// Its first line, from 1.
    pub line: usize,
    /// The command, comment included; lines that end in a backslash are joined.
    pub text: String,
    /// The exit code that its comment promises: `# … exit code N`; 0 otherwise.
    pub exit_code: i32,
}

/// A block that starts with no known program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextBlock {
    /// Its first line, from 1.
    pub line: usize,
    /// The first line's text.
    pub text: String,
}

/// Commands and other indented blocks of a document, in order.
#[must_use]
pub fn read(document: &str, markdown: &str) -> (Vec<DocumentedCommand>, Vec<TextBlock>) {
    let (mut commands, mut texts) = (Vec::new(), Vec::new());
    for block in blocks(markdown) {
        if block.iter().any(|(_, line)| PROGRAMS.contains(&first_word(line))) {
            commands.extend(join(document, &block));
        } else if let Some((line, text)) = block.first() {
            texts.push(TextBlock { line: *line, text: text.clone() });
        }
    }
    (commands, texts)
}

type Lines = Vec<(usize, String)>;

/// Indented blocks, and fenced ones of the language `sh`, with the numbers of their lines.
fn blocks(markdown: &str) -> Vec<Lines> {
    let (mut blocks, mut block, mut fence) = (Vec::new(), Lines::new(), None);
    for (line, number) in markdown.lines().zip(1..) {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            blocks.push(std::mem::take(&mut block));
            fence = if fence.is_some() { None } else { Some(language.trim() == "sh") };
            continue;
        }
        let content = match fence {
            Some(true) => Some(line),
            Some(false) => None,
            None => line.strip_prefix("    "),
        };
        match content {
            Some(content) => block.push((number, content.to_owned())),
            None if line.trim().is_empty() => {}
            None => blocks.push(std::mem::take(&mut block)),
        }
    }
    blocks.push(block);
    blocks.retain(|block| !block.is_empty());
    blocks
}

fn join(document: &str, block: &[(usize, String)]) -> Vec<DocumentedCommand> {
    let mut commands = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in block {
        let (first, mut text) = open.take().unwrap_or((*number, String::new()));
        match line.strip_suffix('\\') {
            Some(more) => {
                text.push_str(more);
                open = Some((first, text));
            }
            None => {
                text.push_str(line);
                let is_command = !text.trim().is_empty() && !text.trim_start().starts_with('#');
                commands.extend(is_command.then(|| DocumentedCommand {
                    document: document.to_owned(),
                    line: first,
                    exit_code: promised(&text),
                    text: text.trim().to_owned(),
                }));
            }
        }
    }
    commands
}

fn promised(command: &str) -> i32 {
    let number = command.rsplit_once('#').and_then(|(_, comment)| comment.split_once("exit code "));
    let digits = number.map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn first_word(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or_default()
}

/// Programs with which commands in the documentation start.
const PROGRAMS: &[&str] = &[
    "./justw",
    "age-keygen",
    "apt",
    "apt-get",
    "cargo",
    "cat",
    "chmod",
    "chown",
    "cp",
    "curl",
    "docker",
    "echo",
    "gcloud",
    "install",
    "just",
    "kill",
    "mkdir",
    "mv",
    "openssl",
    "printf",
    "rm",
    "runuser",
    "scp",
    "ssh",
    "sudo",
    "systemctl",
    "tpm2",
    "vouchsafe",
    "vouchsafe-guest",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_joined_and_numbered() {
        let markdown = "Text with    spaces.\n\n    # a comment\n    vouchsafe init \\\n      --data D\n\n    cp a b   # refused: exit code 10\n\n\
                        Then:\n\n    permit (principal);\n\n```\nvouchsafe drawn\n```\n\n```sh\n./justw demo\n```\n";
        let (commands, texts) = read("X.md", markdown);
        let found: Vec<_> =
            commands.iter().map(|command| (command.line, command.text.as_str(), command.exit_code)).collect();
        assert_eq!(
            found,
            [
                (4, "vouchsafe init   --data D", 0),
                (7, "cp a b   # refused: exit code 10", 10),
                (18, "./justw demo", 0)
            ]
        );
        assert_eq!(texts, [TextBlock { line: 11, text: "permit (principal);".to_owned() }]);
    }
}
