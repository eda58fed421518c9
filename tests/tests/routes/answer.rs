//! Answers as they come over the wire, and what holds for each.

use std::collections::BTreeSet;

use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::problem::Problem;

use super::described::{Description, Listener};

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first complete answer in these bytes, and the number of its bytes. An interim answer counts as part of
    /// the next one. `headless` says that the request was HEAD.
    pub(crate) fn parse(bytes: &[u8], to_head: bool) -> Option<(Self, usize)> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let (head, rest) = bytes.split_at(end);
        let head = str::from_utf8(head).expect("heads are text");
        let mut lines = head.trim_end().split("\r\n");
        let line = lines.next().unwrap();
        assert!(line.starts_with("HTTP/1.1 "), "{line:?}");
        let status: u16 = line[9..12].parse().expect("a status");
        if status == 100 {
            let (answer, length) = Self::parse(rest, to_head)?;
            return Some((answer, end + length));
        }
        let fields: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").expect("a field"))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = fields.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value);
        let length = length.map_or(0, |value| value.parse().expect("a length"));
        let length: usize = if to_head { 0 } else { length };
        let body = rest.get(..length)?.to_vec();
        Some((Self { status, fields, body }, end + length))
    }

    /// The value of a field that occurs once.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut found =
            self.fields.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let value = found.next();
        assert_eq!(found.next(), None, "{name} occurs twice: {:?}", self.fields);
        value
    }

    pub(crate) fn closes(&self) -> bool {
        self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    fn text(&self) -> String {
        let body: String = String::from_utf8_lossy(&self.body).chars().take(300).collect();
        format!("{} {body}", self.status)
    }
}

/// What `openapi.yaml` says of problems.
pub(crate) struct Rules {
    codes: BTreeSet<String>,
    members: BTreeSet<String>,
}

impl Rules {
    pub(crate) fn new(description: &Description) -> Self {
        Self { codes: description.codes(), members: description.problem_members() }
    }

    /// The problem of an answer, if it is an error; an error says what is wrong with either.
    pub(crate) fn problem(
        &self,
        listener: Listener,
        answer: &Answer,
        to_head: bool,
    ) -> Result<Option<ReasonCode>, String> {
        let fault = |what: &str| Err(format!("{what}: {}", answer.text()));
        if let Some((name, _)) = answer.fields.iter().find(|(name, _)| !FIELDS.contains(&name.as_str())) {
            return fault(&format!("field {name}"));
        }
        if answer.field("date").is_none() {
            return fault("no date");
        }
        if answer.status < 400 {
            return Ok(None);
        }
        if answer.field("content-type") != Some(Problem::MEDIA_TYPE) {
            return fault(&format!("content-type {:?}", answer.field("content-type")));
        }
        if (answer.status == 405) != answer.field("allow").is_some() {
            return fault("allow belongs to 405");
        }
        if to_head {
            return Ok(None);
        }
        let Ok(members) = serde_json::from_slice::<serde_json::Map<_, _>>(&answer.body) else {
            return fault("no object");
        };
        if let Some(name) = members.keys().find(|name| !self.members.contains(*name)) {
            return fault(&format!("member {name}"));
        }
        let Ok(problem) = serde_json::from_slice::<Problem>(&answer.body) else {
            return fault("no problem");
        };
        let code = problem.code;
        if !self.codes.contains(code.as_str()) || problem != with_code(&problem, code) {
            return fault("title, type or status are another code's");
        }
        if answer.status != code.status() {
            return fault("the status is another code's");
        }
        if listener == Listener::Guests && (problem.detail.is_some() || problem.decision.is_none()) {
            return fault("a guest's problem has a decision and no detail");
        }
        if (answer.status == 401) != (answer.field("www-authenticate") == Some("Bearer")) {
            return fault("www-authenticate belongs to 401");
        }
        Ok(Some(code))
    }
}

/// The problem as its code alone determines it.
fn with_code(problem: &Problem, code: ReasonCode) -> Problem {
    let Problem { decision, signature, detail, .. } = problem.clone();
    Problem { decision, signature, detail, ..Problem::new(code) }
}

/// All fields of heads: none names a program or a version.
const FIELDS: &[&str] = &[
    "allow",
    "connection",
    "content-length",
    "content-type",
    "date",
    "retry-after",
    "vouchsafe-token-expires-in",
    "www-authenticate",
];
