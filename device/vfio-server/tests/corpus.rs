//! The fuzzer's bodies without a fuzzer: the corpus, and bytes that are nearly right.

#[path = "fuzz/protocol.rs"]
mod protocol;

use proptest::prelude::*;
use vfio_server::protocol::command;

#[test]
fn the_corpus_is_survived() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/protocol");
    let mut any = false;
    for file in std::fs::read_dir(corpus).expect("a corpus") {
        protocol::survive(&std::fs::read(file.expect("a file").path()).expect("read"));
        any = true;
    }
    assert!(any);
}

/// A message whose header fits, of a command that there is.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        prop::collection::vec(prop::sample::select(vec![0, 1, 2, 3, 4, 8, 16, 32, 255]), 0..64),
    ];
    (0_u16..20, prop::sample::select(vec![0_u32, 0x10, 1, 0x21]), payload).prop_map(
        |(command, flags, payload)| {
            let size = 16 + payload.len() as u32;
            let words = [size, flags, 0].map(u32::to_ne_bytes).concat();
            [&[1, 0], &command.to_ne_bytes()[..], &words, &payload].concat()
        },
    )
}

proptest! {
    #[test]
    fn conversations_are_survived(
        messages in prop::collection::vec(message(), 0..40),
        cut in 0_usize..40,
    ) {
        let version = [&[1, 0][..], &command::VERSION.to_ne_bytes(), &[20, 0, 0, 0], &[0; 12]];
        let mut bytes = [version.concat(), messages.concat()].concat();
        bytes.truncate(bytes.len().saturating_sub(cut));
        protocol::survive(&bytes);
    }
}
