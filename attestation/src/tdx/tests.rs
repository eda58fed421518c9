//! Captured quotes against their verdicts, and fake ones with one thing broken each.

mod captured;

use super::*;
use crate::anchors::Root;
use crate::chain::ChainError;
use crate::chain::evidence;
