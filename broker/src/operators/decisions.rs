//! `/v1/decisions`: one file per route.

mod evidence;
mod list;
mod show;

use actix_web::web::{self, ServiceConfig};

use super::respond::resource;

pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/v1/decisions").route(web::get().to(list::get)))
        .service(resource("/v1/decisions/show").route(web::get().to(show::get)))
        .service(resource("/v1/decisions/evidence").route(web::get().to(evidence::get)));
}
