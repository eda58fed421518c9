//! Requests to operators' routes without a valid token: all get the same answer.

use vouchsafe_protocol::ReasonCode;

use super::cases::{Case, Expected, Request, case, spread};
use super::described::{Listener, Route};

/// Every route with every form of a token that is none; `token` is a valid one, and `other` another one's form.
pub(crate) fn cases(routes: &[Route], token: &str) -> Vec<Case> {
    let unauthorized = Expected::Code(ReasonCode::Unauthorized);
    let mut cases = Vec::new();
    for (index, route) in routes.iter().filter(|route| route.needs_token).enumerate() {
        // Every route without a token, and with one that is almost right.
        for (name, lines) in
            forms(token).into_iter().take(2).chain(spread(forms(token).split_off(2), index, 2))
        {
            let request = lines
                .iter()
                .fold(Request::new(&route.method, &route.path), |request, line| request.field(line));
            cases.push(case(
                Listener::Operators,
                format!("{}: {name}", route.name()),
                &request,
                unauthorized,
            ));
        }
        let query = format!("{}?token={token}&access_token={token}", route.path);
        let request = Request::new(&route.method, &query);
        cases.push(case(
            Listener::Operators,
            format!("{}: in the query", route.name()),
            &request,
            unauthorized,
        ));
        // Nothing else about the request is looked at.
        for (name, request) in [
            ("a bad query", Request::new(&route.method, &format!("{}?%ff=%zz&limit=-1", route.path))),
            ("a bad body", Request::new(&route.method, &route.path).body(b"\xff".to_vec())),
            ("a large body", Request::new(&route.method, &route.path).body(vec![b'{'; 300_000])),
            (
                "a huge length",
                Request::new(&route.method, &route.path).field("content-length: 18446744073709551615"),
            ),
        ] {
            let request = request.field("authorization: Bearer vouchsafe-operator.0123456789abcdef.AAAA");
            cases.push(case(
                Listener::Operators,
                format!("{}: {name}", route.name()),
                &request,
                unauthorized,
            ));
        }
    }
    cases
}

fn forms(token: &str) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let line = |value: &str| vec![format!("authorization: {value}").into_bytes()];
    let valid = format!("Bearer {token}");
    let (start, last) = token.split_at(token.len() - 1);
    let almost = format!("Bearer {start}{}", if last == "A" { "B" } else { "A" });
    vec![
        ("no token", vec![]),
        ("the last letter is another", line(&almost)),
        ("nothing", line("")),
        ("a scheme alone", line("Bearer")),
        ("a scheme and a blank", line("Bearer ")),
        ("a token alone", line(token)),
        ("another scheme", line(&format!("Basic {token}"))),
        ("another scheme, Digest", line("Digest username=\"admin\", nonce=\"\", response=\"\"")),
        ("a wrong token", line("Bearer wrong")),
        ("a wrong token under a scheme in lower case", line("bearer wrong")),
        ("a letter more", line(&format!("{valid}A"))),
        ("a letter less", line(&format!("Bearer {start}"))),
        ("upper case", line(&format!("Bearer {}", token.to_uppercase()))),
        ("in quotes", line(&format!("Bearer \"{token}\""))),
        ("a list", line(&format!("{valid}, {valid}"))),
        ("a tab", line(&format!("Bearer\t{token}"))),
        ("10,000 letters", line(&format!("Bearer {}", "A".repeat(10_000)))),
        ("two fields", [line(&valid), line(&valid)].concat()),
        ("two fields, one wrong", [line("Bearer wrong"), line(&valid)].concat()),
        ("no text", vec![[b"authorization: Bearer ", &[0xff, 0xfe, 0x80][..]].concat()]),
        ("for a proxy", vec![format!("proxy-authorization: {valid}").into_bytes()]),
        ("in a cookie", vec![format!("cookie: authorization={token}; token={token}").into_bytes()]),
    ]
}
