//! `/v1/collateral`: one file per route.

mod export;
mod import;
mod refresh;
mod remove;
mod status;

use actix_web::web::{self, ServiceConfig};
use vouchsafe_protocol::bundle::MAX_BUNDLE;

use super::respond::resource;
use crate::body::BodyLimits;
use crate::problem::Audience;

pub(super) fn configure(app: &mut ServiceConfig) {
    let limits = BodyLimits { size: MAX_BUNDLE, audience: Audience::Operators };
    let import = resource("/v1/collateral/import").app_data(limits).route(web::post().to(import::post));
    app.service(resource("/v1/collateral").route(web::get().to(status::get)))
        .service(import)
        .service(resource("/v1/collateral/export").route(web::get().to(export::get)))
        .service(resource("/v1/collateral/refresh").route(web::post().to(refresh::post)))
        .service(resource("/v1/collateral/remove").route(web::post().to(remove::post)));
}
