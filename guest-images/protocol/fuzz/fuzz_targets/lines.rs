//! A line between bench and agent: `cargo +nightly fuzz run lines`, in `guest-images/protocol`.

#![no_main]

#[path = "../../tests/fuzz/lines.rs"]
mod lines;

libfuzzer_sys::fuzz_target!(|input: &[u8]| lines::survive(input));
