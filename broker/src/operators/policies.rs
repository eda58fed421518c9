//! `/v1/policies`: one file per route.

mod check;
mod diff;
mod list;
mod put;
mod show;

use actix_web::web::{self, ServiceConfig};

use super::respond::resource;

pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/v1/policies").route(web::get().to(list::get)))
        .service(resource("/v1/policies/show").route(web::get().to(show::get)))
        .service(resource("/v1/policies/check").route(web::post().to(check::post)))
        .service(resource("/v1/policies/diff").route(web::post().to(diff::post)))
        .service(resource("/v1/policies/put").route(web::post().to(put::post)));
}
