//! `/v1/chips`: which hardware VMs have shown.

mod list;

use actix_web::web::{self, ServiceConfig};

use super::resource;

pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/v1/chips").route(web::get().to(list::get)));
}
