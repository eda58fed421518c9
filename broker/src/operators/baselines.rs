//! `/v1/baselines`: one file per route.

mod list;
pub(super) mod naming;
mod put;
mod revoke;
mod show;

use actix_web::web::{self, ServiceConfig};

use super::respond::resource;

pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/v1/baselines").route(web::get().to(list::get)))
        .service(resource("/v1/baselines/show").route(web::get().to(show::get)))
        .service(resource("/v1/baselines/put").route(web::post().to(put::post)))
        .service(resource("/v1/baselines/revoke").route(web::post().to(revoke::post)));
}
