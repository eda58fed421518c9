//! Errors in a policy text are reported with position, line and suggestion.

use super::*;

/// The notes on a text.
fn notes(text: &str) -> Vec<SourceNote> {
    match CompiledPolicy::compile(&name("prod/p"), text) {
        Err(PolicyError::Syntax { details } | PolicyError::Invalid { details }) => details,
        other => panic!("expected notes, got {other:?}"),
    }
}

/// A policy whose third line is `condition`.
fn with(condition: &str) -> String {
    format!(
        "@id(\"p\") @for(\"app\")\npermit (principal is Vm, action == Action::\"release\", resource) when {{\n  {condition}\n}};"
    )
}

#[test]
fn misspelt_words_have_a_place_and_a_suggestion() {
    for (condition, column, suggestion) in [
        (
            "principal has vtpm && principal.vtpm.phaze == Phase::\"initrd\"",
            40,
            Some("did you mean `phase`?"),
        ),
        (
            "principal has vtpm && principal.vtpm.phase == Phase::\"initrdd\"",
            49,
            Some("did you mean Phase::\"initrd\"?"),
        ),
        ("principal has vtpm && principal.vtpm.phase == Phase::\"kernel\"", 49, Some("one of \"")),
        (
            "principal has vtpm && principal.vtpm.root == Root::\"Google\"",
            48,
            Some("did you mean Root::\"google\"?"),
        ),
        (
            "principal has tecnology && principal.technology == Technology::\"tdx\"",
            17,
            Some("did you mean `technology`?"),
        ),
        ("principal has vtpm.instanse", 22, Some("did you mean `instance`?")),
        ("principal has vptm", 17, Some("did you mean `vtpm`?")),
        ("context.sute == Suite::\"xwing-hkdf-sha256-aes256gcm\"", 11, Some("did you mean `suite`?")),
        (
            "principal has snp && principal.snp.reported_tcb.micrcode >= 1",
            51,
            Some("did you mean `microcode`?"),
        ),
        (
            "principal has technology && principal.technology == Technolgy::\"tdx\"",
            55,
            Some("did you mean Technology?"),
        ),
    ] {
        let text = with(condition);
        let notes = notes(&text);
        let note = notes
            .iter()
            .find(|note| note.suggestion.is_some())
            .unwrap_or_else(|| panic!("{condition}: {notes:?}"));
        let at = note.at.as_ref().unwrap();
        assert_eq!((at.line, at.column), (3, column), "{condition}: {note}");
        assert_eq!(at.text, condition, "{note}");
        assert_eq!(at.offset, column - 3, "blanks at the front are left out");
        let found = note.suggestion.as_deref().unwrap();
        assert!(suggestion.is_some_and(|suggestion| found.starts_with(suggestion)), "{condition}: {found}");
    }
}

#[test]
fn a_claim_without_its_test_is_shown_how_to_ask() {
    let notes = notes(&with("principal.vtpm.phase == Phase::\"initrd\""));
    let shown = notes[0].to_string();
    assert!(shown.starts_with("line 3, column 3: "), "{shown}");
    assert!(shown.contains("principal has vtpm"), "{shown}");
    assert!(shown.ends_with("\n    principal.vtpm.phase == Phase::\"initrd\"\n    ^"), "{shown}");
}

#[test]
fn text_that_is_not_cedar_has_a_place() {
    for (text, line, column) in [
        ("@id(\"p\")\npermit (principal is Vm, action, resource)\nwhen { principal has vtpm && };", 3, 30),
        ("@id(\"p\")\npermitt (principal, action, resource);", 2, 1),
        ("permit (principal, action, resource)", 1, 37),
    ] {
        let notes = notes(text);
        let at = notes[0].at.as_ref().unwrap_or_else(|| panic!("{notes:?}"));
        assert_eq!((at.line, at.column), (line, column), "{}", notes[0]);
    }
}

/// A position near the end of a long line is shown with the text around it, and without control characters.
#[test]
fn t55_long_lines_are_shortened_and_control_characters_left_out() {
    let long = format!(
        "principal has vtpm && (principal.vtpm.ak_algorithm == \"{}\u{1b}[2J\" || principal.vtpm.phaze == Phase::\"initrd\")",
        "x".repeat(500)
    );
    let notes = notes(&with(&long));
    let note = notes.iter().find(|note| note.message.contains("phaze")).unwrap();
    let at = note.at.as_ref().unwrap();
    assert!(at.text.chars().count() <= 120 && at.text.contains("phaze"), "{note}");
    assert_eq!(at.text.chars().skip(at.offset).take(5).collect::<String>(), "phaze");
    assert!(!note.to_string().contains('\u{1b}'));
}

#[test]
fn a_policy_that_can_never_hold_is_still_refused() {
    let notes = notes(&with("false"));
    assert!(notes[0].message.contains("impossible"), "{notes:?}");
    let both = notes_of_two();
    assert!(both.iter().any(|note| note.suggestion.as_deref() == Some("did you mean `vtpm`?")), "{both:?}");
}

fn notes_of_two() -> Vec<SourceNote> {
    notes(&(with("principal has vptm") + &with("principal has vtpm").replace("@id(\"p\")", "@id(\"q\")")))
}
