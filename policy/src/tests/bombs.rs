//! Hostile policy texts.

use super::*;
use crate::checks::{PER_CHECK, PER_STATEMENT, Steps, malformed};
use crate::expression;
use crate::expression::clause_expr;
use crate::reads::ReadSet;
use crate::source::on_large_stack;

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
    // Below that limit the tree may still be too deep for recursion on an ordinary stack.
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
    // An unterminated string extends to the end; the parser rejects it.
    assert!(matches!(condition(&format!("\"{brackets}")), Err(PolicyError::Syntax { .. })));
}

#[test]
fn t30_text_that_is_not_cedar_is_refused() {
    for text in ["permit", "\u{0}", "permit(principal, action, resource)", "{}", "@id(\"x\")"] {
        let error = CompiledPolicy::compile(&name("prod/p"), text).unwrap_err();
        assert!(matches!(error, PolicyError::Syntax { .. }), "{text:?}: {error:?}");
    }
}

/// A permit with this condition and these forbids: the findings, and the steps of compiling and checking.
fn work(condition: &str, forbids: &str) -> (Vec<CheckError>, usize, usize) {
    let text = format!("{}{forbids}", permitting(condition));
    let compiled = CompiledPolicy::compile(&name("prod/p"), &text).unwrap();
    let (mut found, mut steps) = (Vec::new(), Steps::new(PER_CHECK));
    compiled.analysis().check(compiled.rules(), &known(&["prod/web"]), &mut steps, &mut found);
    (found, compiled.analysis().most_steps, PER_CHECK - steps.left())
}

fn choice(number: usize) -> String {
    format!("(principal.snp.vmpl == {number} || principal.snp.guest_svn == {number})")
}

#[test]
fn t30_the_analysis_of_a_permit_is_bounded() {
    let all = |count: usize, between: &str| (0..count).map(choice).collect::<Vec<_>>().join(between);
    let complex = [CheckError::TooComplex { id: "permit".to_owned() }];
    // 10 kB of alternatives that multiply.
    let (found, compiled, _) = work(&format!("principal has snp && {}", all(130, " && ")), "");
    assert_eq!(found, complex);
    assert!(compiled <= PER_STATEMENT, "{compiled}");
    assert!(found[0].to_string().contains("too complex to check: split it"), "{}", found[0]);
    // The same number of alternatives that only add up is fine.
    let (found, compiled, checked) = work(&format!("principal has snp && ({})", all(120, " || ")), "");
    assert!(!found.contains(&complex[0]), "{found:?}");
    assert!(compiled < PER_STATEMENT / 10 && checked < PER_CHECK, "{compiled} {checked}");
    // Nested conditions, each evaluated as true and as false.
    let nested = (0..12).fold("principal.snp.vmpl == 0".to_owned(), |inner, number| {
        format!("(if {inner} then principal.snp.vmpl == {number} else principal.snp.guest_svn == {number})")
    });
    let (found, compiled, _) = work(&format!("principal has snp && {nested}"), "");
    assert_eq!(found, complex);
    assert!(compiled <= PER_STATEMENT, "{compiled}");
    // One long comparison is evaluated once.
    let sum = "principal.snp.vmpl + ".repeat(150);
    let (_, compiled, _) = work(&format!("principal has snp && {sum} 1 == 0"), "");
    assert!(compiled < PER_STATEMENT / 10, "{compiled}");
}

#[test]
fn t30_the_search_past_many_forbids_is_bounded_and_none_of_them_adds_a_finding() {
    let forbid = |number: usize| {
        format!(
            "@id(\"no{number}\") forbid (principal is Vm, action == Action::\"release\", resource)
             unless {{ principal has snp && {} && {} }};",
            choice(number),
            choice(number + 1000)
        )
    };
    let open = work("principal has snp", "").0;
    let forbids: String = (0..200).map(forbid).collect();
    let (found, compiled, checked) = work("principal has snp", &forbids);
    assert!(compiled <= PER_STATEMENT && checked <= PER_CHECK, "{compiled} {checked}");
    assert_eq!(found, open);
    // The check ignores a forbid that is too complex to analyse, but it is in force nevertheless.
    let complex: Vec<String> = (0..60).map(choice).collect();
    let complex = format!(
        "@id(\"no\") forbid (principal is Vm, action == Action::\"release\", resource)
         unless {{ principal has snp && {} }};",
        complex.join(" && ")
    );
    assert_eq!(work("principal has snp", &complex).0, open);
    let text = format!("{}{complex}", permitting("principal has snp"));
    assert!(ask(&claims(), &permitting("principal has snp"), &no_guardrails()).is_ok());
    assert!(ask(&claims(), &text, &no_guardrails()).is_err());
}

/// The work of `policy diff` and `policy test` for a text: it is evaluated once for each path, whatever its
/// content.
#[test]
fn t30_a_rehearsal_of_the_longest_text_ends() {
    let mut text = String::new();
    while text.len() < MAX_TEXT - 1000 {
        let number = text.len();
        let words: Vec<String> = (0..60).map(|word| format!("\"w{number}-{word}\"")).collect();
        text.push_str(&format!(
            "@id(\"p{number}\") @for(\"app\") permit (principal is Vm, action == Action::\"release\", resource) when {{ \
             principal has vtpm && principal.vtpm has words && principal.vtpm.words.containsAny([{}]) }};\n",
            words.join(", ")
        ));
    }
    let compiled = policy(&text);
    let item = |number: usize| item(&format!("prod/db/x{number}"), &compiled, Purpose::App);
    let request = RehearseRequest {
        suite: Suite::XWing,
        now: NOW,
        protocol: Protocol::V1,
        items: (0..16).map(item).collect(),
    };
    let claims = vouchsafe_attestation::InspectedClaims { claims: claims() };
    let started = std::time::Instant::now();
    let rehearsed = rehearse(&claims, &request, &no_guardrails());
    assert!(rehearsed.paths.iter().all(|path| !path.release && path.denial.is_some()));
    assert!(started.elapsed() < std::time::Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn t30_reading_a_condition_takes_steps_in_proportion_to_its_size() {
    let names: Vec<String> = (0..150).map(|number| format!("principal.a{number}.b == \"x\"")).collect();
    for condition in [
        names.join(" && "),
        names.join(" || "),
        format!("[{}].contains(true)", names.join(", ")),
        format!("{}principal.a", "!".repeat(4)),
        "(".repeat(50) + "principal.a" + &" == principal.b)".repeat(50),
    ] {
        let text = permitting(&condition);
        on_large_stack(move || assert_linear(&text)).unwrap();
    }
}

fn assert_linear(text: &str) {
    let Ok(policy) = cedar_policy::Policy::parse(None, text) else {
        panic!("{text}");
    };
    let template = policy.to_pst().unwrap().body().clone();
    let expr = clause_expr(&template.clauses()[0]).clone();
    let size = expression::walk(&expr).count();
    expression::VISITED.set(0);
    let _ = malformed(&expr);
    let literals = expression::VISITED.replace(0);
    let _ = expression::paths(&expr);
    let paths = expression::VISITED.replace(0);
    let parts = expression::operands(&expr, cedar_policy::pst::BinaryOp::And);
    let quoted: usize = parts.iter().map(|part| expression::walk(part).count()).sum();
    // A comparison within a comparison is visited from both; the depth of a tree is bounded before that.
    assert!(literals <= 4 * size * expression::MAX_DEPTH, "{literals} for {size}");
    assert!(paths <= size + 1 && quoted <= size, "{paths} and {quoted} for {size}");
    let mut reads = ReadSet::default();
    reads.add(&expr);
}
