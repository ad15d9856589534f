//! A firmware file: `cargo +nightly fuzz run ucode`, in `firmware-stubs`.

#![no_main]

#[path = "../../tests/fuzz/ucode.rs"]
mod ucode;

libfuzzer_sys::fuzz_target!(|input: &[u8]| ucode::survive(input));
