//! What `cargo fuzz` calls with bytes of its making, and `tests/corpus.rs` with those kept.

use iwl_ucode::{Ucode, inspect};

/// Any bytes are read or refused, and say the same as a whole and up to their first fault.
pub(crate) fn survive(input: &[u8]) {
    let whole = Ucode::parse(input);
    match Ucode::parse_prefix(input) {
        Ok((_, rest)) => assert_eq!(whole.is_ok(), rest.is_ok()),
        Err(_) => assert!(whole.is_err()),
    }
    for name in ["iwlwifi-6000g2a-6.ucode", "iwlwifi-7260-17.ucode", "iwlwifi-8265-36.ucode", ""] {
        let _ = inspect(name, input, None);
    }
}
