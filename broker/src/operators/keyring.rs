//! `/v1/keyring`: one file per route.

mod add;
mod list;
mod promote;
mod remove;
mod reseal;

use actix_web::web::{self, ServiceConfig};

use super::respond::resource;

pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/v1/keyring").route(web::get().to(list::get)))
        .service(resource("/v1/keyring/add").route(web::post().to(add::post)))
        .service(resource("/v1/keyring/promote").route(web::post().to(promote::post)))
        .service(resource("/v1/keyring/reseal").route(web::post().to(reseal::post)))
        .service(resource("/v1/keyring/remove").route(web::post().to(remove::post)));
}
