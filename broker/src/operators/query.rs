//! The query of a URL, parsed into a type; unknown parameters are rejected.
//!
//! Handlers get it from [`Queried`](super::principal::Queried): a client without a valid token learns
//! nothing about it.

use serde::de::DeserializeOwned;
use vouchsafe_protocol::ReasonCode;

use crate::problem::HttpProblem;

/// Parses a query.
#[expect(clippy::disallowed_types, reason = "this is where the others get it from")]
pub(super) fn parse<T: DeserializeOwned>(query: &str) -> Result<T, HttpProblem> {
    use actix_web::web::Query;
    let parsed = |text: &str| Query::<T>::from_query(text).map(Query::into_inner);
    parsed(query).map_err(|error| {
        let error = error.to_string();
        let says_so = |text: &str| parsed(text).is_err_and(|alone| alone.to_string() == error);
        // The parser does not name the parameter. What is wrong with the one at fault is wrong without the
        // others too; a missing one is missing from an empty query too.
        let at_fault = query.split('&').find(|pair| says_so(pair)).filter(|_| !says_so(""));
        let name = at_fault.and_then(|pair| pair.split('=').next());
        let detail = name.map_or_else(|| error.clone(), |name| format!("{name}: {error}"));
        HttpProblem::for_operator(ReasonCode::MalformedRequest, detail)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::api::decisions::{ListDecisions, ShowDecision};

    fn detail<T: DeserializeOwned>(query: &str) -> String {
        use actix_web::ResponseError as _;
        use actix_web::body::MessageBody as _;
        let problem = parse::<T>(query).map(|_| ()).expect_err("malformed");
        let body = problem.error_response().into_body().try_into_bytes().expect("bytes");
        serde_json::from_slice::<Value>(&body).expect("JSON")["detail"].as_str().expect("a detail").to_owned()
    }

    #[test]
    fn an_error_names_the_parameter_at_fault() {
        for (query, parameter) in [
            ("since=1&before=99999999999999999999", "before: "),
            ("limit=-1", "limit: "),
            ("since=", "since: "),
            ("outcome=granted&path=..&since=1", "path: "),
        ] {
            let detail = detail::<ListDecisions>(query);
            assert!(detail.contains(parameter), "{query}: {detail}");
        }
        assert!(detail::<ListDecisions>("limit=1&colour=red").contains("`colour`"));
        assert!(!detail::<ShowDecision>("").contains(": :") && detail::<ShowDecision>("").contains("`id`"));
    }
}
