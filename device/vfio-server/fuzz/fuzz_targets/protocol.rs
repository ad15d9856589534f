//! Bytes on the client's socket: `cargo +nightly fuzz run protocol`, in `device/vfio-server`.

#![no_main]

#[path = "../../tests/fuzz/protocol.rs"]
mod protocol;

libfuzzer_sys::fuzz_target!(|input: &[u8]| protocol::survive(input));
