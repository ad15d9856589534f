// SPDX-License-Identifier: GPL-2.0

//! `EXPORT_SYMBOL_GPL()`: other modules may use a symbol.
//!
//! The kernel's own crates have a C file generated for that (`rust/exports.c`), which no module has.
//!
//! C header: `include/linux/export.h`

/// Exports a `#[no_mangle]` function of this crate. As `___EXPORT_SYMBOL()` of a 64-bit kernel: modpost
/// reads the section, and refuses what it does not know.
macro_rules! export_symbol_gpl {
    ($name:ident) => {
        core::arch::global_asm!(
            ".section \".export_symbol\",\"a\"",
            concat!("__export_symbol_", stringify!($name), ":"),
            ".asciz \"GPL\"",
            ".asciz \"\"",
            ".balign 8",
            concat!(".quad ", stringify!($name)),
            ".previous",
        );
    };
}
pub(crate) use export_symbol_gpl;
