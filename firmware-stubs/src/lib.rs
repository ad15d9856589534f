//! Intel `.ucode` files: builder, validated reader, stub definitions.
pub mod builder;
pub mod corrupt;
pub mod error;
pub mod fate;
pub mod format;
pub mod inspect;
pub mod marker;
pub mod names;
pub mod reader;
pub mod stub;

pub use builder::{CmdVersion, LegacyBuilder, UcodeBuilder};
pub use corrupt::Corruption;
pub use error::ParseError;
pub use fate::{Fate, Opmode, Target};
pub use inspect::{Inspection, inspect};
pub use names::TlvType;
pub use reader::Ucode;
