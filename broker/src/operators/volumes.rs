//! `/v1/volumes`: one file per route.

mod forget;
mod list;
mod show;

use actix_web::web::{self, ServiceConfig};

use super::respond::resource;

pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/v1/volumes").route(web::get().to(list::get)))
        .service(resource("/v1/volumes/show").route(web::get().to(show::get)))
        .service(resource("/v1/volumes/forget").route(web::post().to(forget::post)));
}
