//! The fuzzer's body without a fuzzer: the corpus, and bytes of any kind.

#[path = "fuzz/lines.rs"]
mod lines;

use proptest::prelude::*;

#[test]
fn the_corpus_is_survived() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/lines");
    let mut any = false;
    for file in std::fs::read_dir(corpus).expect("a corpus") {
        lines::survive(&std::fs::read(file.expect("a file").path()).expect("read"));
        any = true;
    }
    assert!(any);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        lines::survive(&bytes);
    }
}
