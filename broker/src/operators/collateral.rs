//! `/v1/collateral`: one file a route.

mod import;
mod status;

use actix_web::web::{self, ServiceConfig};

use super::resource;

pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/v1/collateral").route(web::get().to(status::get)))
        .service(resource("/v1/collateral/import").route(web::post().to(import::post)));
}
