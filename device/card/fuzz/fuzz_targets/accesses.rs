//! What a guest does with a card: `cargo +nightly fuzz run accesses`, in `device/card`.

#![no_main]

#[path = "../../tests/fuzz/accesses.rs"]
mod accesses;

libfuzzer_sys::fuzz_target!(|input: &[u8]| accesses::survive(input));
