//! `/v1/chips`: the chips on which VMs were seen.

mod list;

use actix_web::web::{self, ServiceConfig};

use super::respond::resource;

pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/v1/chips").route(web::get().to(list::get)));
}
