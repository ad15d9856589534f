//! Intel `.ucode` files: builder, validated reader, stub definitions.
pub mod builder;
pub mod format;
pub mod marker;
pub mod names;
pub mod stub;

pub use builder::{CmdVersion, LegacyBuilder, UcodeBuilder};
pub use names::TlvType;
