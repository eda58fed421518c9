//! Messages never show the Debug form of a value: `{field:?}` is for texts, which it quotes.

use crate::tree::files;

/// Types whose Debug form is their text in quotes.
const TEXTS: [&str; 3] = ["String", "&'static str", "char"];

/// Fields with a Debug form in the error messages of a file: their names and types.
fn debugged(source: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, _) in source.match_indices("#[error(") {
        let rest = &source[at..];
        let message = &rest[..rest.find(")]").unwrap_or(rest.len())];
        let variant = &rest[message.len()..];
        let variant = &variant[..variant.find("#[error(").unwrap_or(variant.len())];
        for piece in message.split('{').skip(1) {
            let Some(name) = piece.split('}').next().and_then(|piece| piece.strip_suffix(":?")) else {
                continue;
            };
            let kind = field_type(variant, name).unwrap_or_else(|| first_of_tuple(variant));
            found.push((name.to_owned(), kind));
        }
    }
    found
}

/// The type of a named field.
fn field_type(variant: &str, name: &str) -> Option<String> {
    let field = format!("{name}: ");
    let (at, _) = variant.match_indices(&field).find(|(at, _)| {
        !variant[..*at].ends_with(|before: char| before.is_ascii_alphanumeric() || before == '_')
    })?;
    let kind = variant[at + field.len()..].split([',', '}', '\n']).next()?;
    Some(kind.trim().to_owned())
}

/// The type of a variant or struct with one unnamed field.
fn first_of_tuple(variant: &str) -> String {
    let inner = variant.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    inner.map_or_else(|| "an unknown type".to_owned(), |(kind, _)| kind.to_owned())
}

#[test]
fn error_messages_quote_texts_and_show_nothing_else_as_debug() {
    let mut others = Vec::new();
    let mut texts = 0;
    let sources =
        files().into_iter().filter(|(name, _)| name.ends_with(".rs") && !name.starts_with("tests/"));
    for (name, source) in sources {
        for (field, kind) in debugged(&source) {
            if TEXTS.contains(&kind.as_str()) {
                texts += 1;
            } else {
                others.push(format!("{name}: {field} is {kind}"));
            }
        }
    }
    assert_eq!(others, Vec::<String>::new());
    assert!(texts > 20, "messages quote texts: {texts}");
}

#[test]
fn the_field_of_a_message_is_found_with_its_type() {
    let source = "#[error(\"a {x:?} and {y}\")]\nA {\n    /// X.\n    x: Part,\n},\n#[error(\"{0:?}\")]\nB(String),\n\
                  #[error(\"{id:?}\")]\nC { void: u8, id: char },\n";
    let pair = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
    assert_eq!(debugged(source), [pair("x", "Part"), pair("0", "String"), pair("id", "char")]);
}
