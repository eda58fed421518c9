//! `/v1/identities`: one file per route.

mod add;
mod list;
mod promote;
mod remove;
pub(super) mod taken;

use actix_web::web::{self, ServiceConfig};

use super::respond::resource;

pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/v1/identities").route(web::get().to(list::get)))
        .service(resource("/v1/identities/add").route(web::post().to(add::post)))
        .service(resource("/v1/identities/promote").route(web::post().to(promote::post)))
        .service(resource("/v1/identities/remove").route(web::post().to(remove::post)));
}
