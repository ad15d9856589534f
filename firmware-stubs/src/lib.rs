//! Intel `.ucode` files: builder, validated reader, stub definitions.
pub mod marker;
