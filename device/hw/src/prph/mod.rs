//! The periphery, behind `HBUS_TARG_PRPH_*`.
//!
//! Source: `iwl-prph.h`. Rows: what drivers of the modelled parts touch, in normal use and
//! in their error dumps. Which silicon has which is in `maps.rs`.

pub(crate) mod cnv;
pub(crate) mod common;
pub(crate) mod legacy;
pub(crate) mod umac;
pub(crate) mod umac_ax210;

pub use cnv::*;
pub use common::*;
pub use legacy::*;
pub use umac::*;
pub use umac_ax210::*;
