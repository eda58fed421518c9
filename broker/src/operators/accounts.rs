//! `/v1/operators`: one file per route.

mod add;
mod list;
mod remove;
mod rotate;

use actix_web::web::{self, ServiceConfig};

use super::respond::resource;

pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/v1/operators").route(web::get().to(list::get)))
        .service(resource("/v1/operators/add").route(web::post().to(add::post)))
        .service(resource("/v1/operators/rotate").route(web::post().to(rotate::post)))
        .service(resource("/v1/operators/remove").route(web::post().to(remove::post)));
}
