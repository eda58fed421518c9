//! Printing: JSON for programs, aligned columns for people.

use std::fmt::Display;
use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use vouchsafe_protocol::text::{printable_json, printable_lines};

use super::failure::Failure;

/// Prints lines for people to standard output, escaping characters that could change what a terminal shows.
pub(super) fn print(text: &str) -> Result<ExitCode, Failure> {
    write_out(&printable_lines(text))
}

/// Writes a document, such as a policy's text: as it is into a file or a pipe, escaped on a terminal.
pub(super) fn print_document(text: &str) -> Result<ExitCode, Failure> {
    if io::stdout().is_terminal() { print(text) } else { write_out(text) }
}

/// Prints a document, or writes it to a new file.
pub(super) fn write_document(text: &str, out: Option<&Path>, then: &str) -> Result<ExitCode, Failure> {
    let Some(out) = out else { return print_document(text) };
    let file = OpenOptions::new().write(true).create_new(true).open(out);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Failure::new_file(out, &error))?;
    print(&format!("Written to {}. {then}", out.display()))
}

/// Whether `--out` names standard output.
pub(super) fn is_standard_output(out: &Path) -> bool {
    out == Path::new("-")
}

fn write_out(text: &str) -> Result<ExitCode, Failure> {
    let mut stdout = io::stdout().lock();
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    match write!(stdout, "{text}{newline}").and_then(|()| stdout.flush()) {
        // The reader has closed the pipe.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(source) => Err(Failure::System { what: "standard output", source }),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

/// Writes a line for people to standard error, apart from the output for programs.
pub(super) fn note(text: &str) {
    // There is nowhere left to report to when standard error is closed.
    let _closed = writeln!(io::stderr().lock(), "{}", printable_lines(text));
}

/// Writes a new file that only its owner can read.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut file = new_private(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| Failure::file(path, error))
}

/// Writes a new private file so that it is still there after a crash of the machine.
pub(super) fn write_private_durably(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_private(path, bytes)?;
    sync_folder(path)
}

/// Puts a file in the place of another one, or where there is none, in one step.
pub(super) fn replace(file: &Path, with: &Path) -> Result<(), Failure> {
    fs::rename(with, file).map_err(|error| Failure::file(file, error))?;
    sync_folder(file)
}

/// The folder that a file is in.
pub(super) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a file's folder durable.
fn sync_folder(path: &Path) -> Result<(), Failure> {
    let folder = folder_of(path);
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| Failure::file(folder, error))
}

/// Creates a file, which must not exist, that only its owner can read.
pub(super) fn new_private(path: &Path) -> Result<fs::File, Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| Failure::new_file(path, &error))
}

/// Writes one JSON value.
pub(super) fn print_json(value: &impl Serialize) -> Result<ExitCode, Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::System { what: "JSON", source: error.into() })?;
    write_out(&printable_json(&text))
}

/// Prints an answer of the broker as JSON, or as text made by `human`.
pub(super) fn show<T: DeserializeOwned>(
    json: bool,
    answer: Value,
    human: impl FnOnce(T) -> String,
) -> Result<ExitCode, Failure> {
    if json {
        return print_json(&answer);
    }
    print(&human(read_answer(answer)?))
}

/// The same for a document that the broker keeps.
pub(super) fn show_document<T: DeserializeOwned>(
    json: bool,
    answer: Value,
    human: impl FnOnce(T) -> String,
) -> Result<ExitCode, Failure> {
    if json {
        return print_json(&answer);
    }
    print_document(&human(read_answer(answer)?))
}

/// Reads an answer of the broker.
pub(super) fn read_answer<T: DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer).map_err(|_| Failure::Answer { url: "broker".to_owned() })
}

/// Adds how to get the next page, if there is one, below a table.
pub(super) fn more(text: &mut String, option: &str, next: Option<impl Display>) {
    if let Some(next) = next {
        text.push_str(&format!("\nMore: {option} {next}\n"));
    }
}

/// Formats rows as aligned columns.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = header.iter().map(|text| (*text).to_owned()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Reads a file, or standard input for `-`.
pub(super) fn read_input(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let room = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = if path == Path::new("-") {
        io::stdin().lock().take(room).read_to_end(&mut bytes)
    } else {
        fs::File::open(path).and_then(|file| file.take(room).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::file(path, error))?;
    if bytes.len() > limit {
        return Err(Failure::file(path, format!("more than {limit} bytes")));
    }
    Ok(bytes)
}

/// Reads the text of a file, or of standard input for `-`.
pub(super) fn read_text(path: &Path, limit: usize) -> Result<String, Failure> {
    String::from_utf8(read_input(path, limit)?).map_err(|_| Failure::file(path, "is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows =
            vec![vec!["a/b".to_owned(), "1".to_owned()], vec!["long/name".to_owned(), "22".to_owned()]];
        assert_eq!(table(&["NAME", "V"], &rows), "NAME       V\na/b        1\nlong/name  22\n");
        assert_eq!(table(&["NAME"], &[]), "NAME\n");
    }

    #[test]
    fn larger_input_than_allowed_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), [0; 11]).unwrap();
        assert!(read_input(file.path(), 10).is_err());
        assert_eq!(read_input(file.path(), 11).unwrap().len(), 11);
    }
}
