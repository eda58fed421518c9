//! Policy texts that are made to hurt.

use super::*;

fn source_error(text: &str) -> SourceError {
    match CompiledPolicy::compile(&name("prod/p"), text) {
        Err(PolicyError::Source(error)) => error,
        other => panic!("expected a limit, got {other:?}"),
    }
}

fn condition(condition: &str) -> Result<(), PolicyError> {
    CompiledPolicy::compile(&name("prod/p"), &permitting(condition)).map(|_| ())
}

#[test]
fn t30_the_length_of_a_text_is_limited() {
    let exact = format!("//{}", "x".repeat(MAX_TEXT - 2));
    assert!(CompiledPolicy::compile(&name("prod/p"), &exact).is_ok());
    assert_eq!(source_error(&format!("{exact}x")), SourceError::TooLong { length: MAX_TEXT + 1 });
}

#[test]
fn t30_nesting_is_counted_before_the_parser() {
    for (open, close) in [("(", ")"), ("[", "]"), ("{\"a\":", "}")] {
        let text = permitting(&format!("{}true{}", open.repeat(5000), close.repeat(5000)));
        assert_eq!(source_error(&text), SourceError::TooDeep { line: 2 });
        assert_eq!(source_error(&open.repeat(8000)), SourceError::TooDeep { line: 1 });
    }
    assert!(
        condition(&format!("{}true{}", "(".repeat(MAX_NESTING - 1), ")".repeat(MAX_NESTING - 1))).is_ok()
    );
    let chain = "if true then true else ".repeat(1000);
    assert_eq!(source_error(&permitting(&format!("{chain} true"))), SourceError::TooDeep { line: 2 });
    for unary in ["!", "-", "! "] {
        assert_eq!(source_error(&unary.repeat(9000)), SourceError::TooDeep { line: 1 });
    }
}

#[test]
fn t30_chains_of_operators_are_limited() {
    for link in ["true && ", "true || ", "1 + ", "principal.", "1 == ", "x has "] {
        let text = permitting(&link.repeat(6000));
        assert!(matches!(source_error(&text), SourceError::TooManyOperators { line: 2 }), "{link}");
    }
    // Below that limit the tree may still be too deep to be walked on an ordinary stack.
    for link in ["principal has vtpm && ", "principal has vtpm || "] {
        let error = condition(&format!("{}principal has vtpm", link.repeat(1000))).unwrap_err();
        assert_eq!(error, PolicyError::TooDeep { id: "permit".to_owned() });
    }
    let deep = condition(&format!("principal{}", ".a".repeat(2000))).unwrap_err();
    assert_eq!(deep, PolicyError::TooDeep { id: "permit".to_owned() });
}

#[test]
fn t30_the_number_of_policies_is_limited() {
    assert_eq!(source_error(&";".repeat(MAX_POLICIES + 1)), SourceError::TooManyPolicies { line: 1 });
}

#[test]
fn t30_brackets_in_texts_and_comments_do_not_count() {
    let brackets = "(".repeat(500);
    let text = format!(
        "// {brackets}\n{}",
        permitting(&format!("principal has technology && \"{brackets}\\\"(\" != \"x\""))
    );
    assert!(PolicySource::new(&text).is_ok());
    // A string without end swallows the rest; the parser refuses it.
    assert!(matches!(condition(&format!("\"{brackets}")), Err(PolicyError::Syntax { .. })));
}

#[test]
fn t30_what_is_not_cedar_is_refused() {
    for text in ["permit", "\u{0}", "permit(principal, action, resource)", "{}", "@id(\"x\")"] {
        let error = CompiledPolicy::compile(&name("prod/p"), text).unwrap_err();
        assert!(matches!(error, PolicyError::Syntax { .. }), "{text:?}: {error:?}");
    }
}
