//! `/v1/secrets`: one file per route.

mod change_version;
mod generate;
mod list;
mod put;
mod set_policy;
mod show;

use actix_web::web::{self, ServiceConfig};

use super::respond::resource;

pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/v1/secrets").route(web::get().to(list::get)))
        .service(resource("/v1/secrets/show").route(web::get().to(show::get)))
        .service(resource("/v1/secrets/put").route(web::post().to(put::post)))
        .service(resource("/v1/secrets/generate").route(web::post().to(generate::post)))
        .service(resource("/v1/secrets/set-policy").route(web::post().to(set_policy::post)))
        .service(resource("/v1/secrets/retire").route(web::post().to(change_version::retire)))
        .service(resource("/v1/secrets/restore").route(web::post().to(change_version::restore)))
        .service(resource("/v1/secrets/destroy").route(web::post().to(change_version::destroy)));
}
