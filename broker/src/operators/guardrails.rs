//! `/v1/guardrails`: one file per route.

mod put;
mod reset;
mod show;

use actix_web::web::{self, ServiceConfig};

use super::respond::resource;

pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/v1/guardrails").route(web::get().to(show::get)))
        .service(resource("/v1/guardrails/put").route(web::post().to(put::post)))
        .service(resource("/v1/guardrails/reset").route(web::post().to(reset::post)));
}
