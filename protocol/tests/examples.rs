//! Runs the examples and checks their output.

#[path = "../examples/wrap_secret.rs"]
#[expect(dead_code, reason = "`main` is for the command line")]
mod wrap_secret;

#[test]
fn a_wrapped_secret_is_opened() {
    let said = wrap_secret::run().expect("every step succeeds");
    let (names, values): (Vec<_>, Vec<_>) =
        said.lines().map(|line| line.split_once(": ").expect("a value")).unzip();
    assert_eq!(names, ["report data", "quote nonce", "token nonce", "prod/db-01/token version 1"]);
    assert_eq!(values.iter().map(|value| value.len()).collect::<Vec<_>>(), [128, 64, 43, 8]);
    assert_eq!(values.last(), Some(&"28 bytes"));
}
