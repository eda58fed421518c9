//! `/v1/baseline-proposals`: one file per route.

mod approve;
mod list;
mod reject;

use actix_web::web::{self, ServiceConfig};

use super::respond::resource;

pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/v1/baseline-proposals").route(web::get().to(list::get)))
        .service(resource("/v1/baseline-proposals/approve").route(web::post().to(approve::post)))
        .service(resource("/v1/baseline-proposals/reject").route(web::post().to(reject::post)));
}
