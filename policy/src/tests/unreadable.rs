//! Stored documents that this version cannot read: a denial with a name, never a guess.

use super::*;

fn unreadable(text: &str, revoked: bool) -> NamedBaseline {
    NamedBaseline { name: name(text), revoked, baseline: Err(BaselineError::UnmeasuredInitrd) }
}

fn decided(text: &str, baselines: Vec<NamedBaseline>) -> Result<(), DenialReason> {
    let secret = SecretState::Active { version: 1, purpose: Purpose::App, policy: policy(text), baselines };
    let request = request(vec![DecideItem { path: path("prod/a/x"), secret }]);
    outcome(evaluate(&claims(), Suite::XWing, &request, &no_guardrails()))
}

#[test]
fn t29_a_baseline_that_cannot_be_read_denies_whatever_the_policy_says_of_it() {
    let always = permitting("true");
    let named = r#"Baseline::"prod/old""#;
    let scope = r#"principal, action == Action::"release", resource"#;
    for text in [
        permitting(&format!("principal in {named}")),
        permitting(&format!("true || principal in {named}")),
        permitting(&format!("!(principal in {named})")),
        // A forbid does not apply to non-members.
        format!("{always}\n@id(\"bad\") forbid ({scope}) when {{ principal in {named} }};"),
    ] {
        let denied = decided(&text, vec![unreadable("prod/old", false)]).expect_err("denied");
        let DenialReason::Unreadable(document) = &denied else { panic!("{denied:?}") };
        assert_eq!((document.document, &document.name), ("baseline", &name("prod/old")));
        assert!(denied.to_string().contains("nothing measures the initrd"), "{denied}");
    }
    // Nobody asks for it.
    assert_eq!(decided(&always, vec![unreadable("prod/old", false)]), Ok(()));
}

#[test]
fn t28_of_a_baseline_that_was_revoked_nothing_has_to_be_read() {
    let member = permitting(r#"principal in Baseline::"prod/old""#);
    let denied = decided(&member, vec![unreadable("prod/old", true)]).expect_err("denied");
    let DenialReason::Refused(refusal) = denied else { panic!("{denied:?}") };
    let mismatch = Some(BaselineMismatch::Revoked);
    assert_eq!(refusal.baselines, [BaselineVerdict { name: name("prod/old"), mismatch }]);
    let either = permitting(r#"true || principal in Baseline::"prod/old""#);
    assert_eq!(decided(&either, vec![unreadable("prod/old", true)]), Ok(()));
}

#[test]
fn a_policy_that_names_a_baseline_which_cannot_be_read_has_a_finding() {
    let member = policy(&permitting(r#"principal in Baseline::"prod/old""#));
    let found = |revoked| {
        let known: KnownBaselines = [unreadable("prod/old", revoked)].iter().collect();
        member.check(&known, NOW).expect_err("something is found").as_slice().to_vec()
    };
    let error = Box::new(BaselineError::UnmeasuredInitrd);
    let id = || "permit".to_owned();
    let expected = CheckError::UnreadableBaseline { id: id(), name: name("prod/old"), error };
    assert!(found(false).contains(&expected), "{:?}", found(false));
    let expected = CheckError::RevokedBaseline { id: id(), name: name("prod/old") };
    assert!(found(true).contains(&expected), "{:?}", found(true));
}
