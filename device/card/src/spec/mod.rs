//! Which cards there are, and what their silicon is.

mod cards;
mod identity;
mod names;
mod part;
mod silicon;
mod suits;

pub use cards::{CardSpec, OpMode, PciIds, Radio, card, cards, one_of_each_generation};
pub use identity::{IDENTITY_KEYS, Identity, IdentityError};
pub use silicon::Generation;
pub(crate) use silicon::{Boot, Descriptors, Irqs, Mac, Nvm, Rx, Silicon, Tx};
