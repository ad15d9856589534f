//! Bytes on the client's socket: `cargo +nightly fuzz run protocol`, in `device/vfio-server`.

#![no_main]

#[path = "../../tests/fuzz/protocol.rs"]
mod protocol;

libfuzzer_sys::fuzz_target!(|input: &[u8]| protocol::survive(input));

/// A server's closing thread ends when it likes, a little after its server: until then the leak
/// checker takes what it holds for lost. libFuzzer's limit on memory stays.
#[unsafe(no_mangle)]
extern "C" fn __lsan_is_turned_off() -> i32 {
    1
}
