//! The periphery, behind `HBUS_TARG_PRPH_*`.
//!
//! Source: `iwl-prph.h`. Rows: what drivers of the modelled parts touch, in normal use and
//! in their error dumps. Which silicon has which is in `maps.rs`.

pub(crate) mod common;
pub(crate) mod legacy;
pub(crate) mod umac;

pub use common::*;
pub use legacy::*;
pub use umac::*;
