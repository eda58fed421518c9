//! What a request holds, and how its evidence is kept, whatever it asks for.

mod arrival;
pub(crate) mod evidence;

pub(crate) use arrival::Arrival;
