//! What `cargo fuzz` calls with bytes of its making, and `tests/corpus.rs` with those kept.

use guest_protocol::{FromGuest, ToGuest};

/// A line is a message or is not; a message says the same when it is said again.
pub(crate) fn survive(input: &[u8]) {
    if let Ok(said) = serde_json::from_slice::<FromGuest>(input) {
        let again = serde_json::to_vec(&said).expect("a line");
        assert_eq!(serde_json::from_slice::<FromGuest>(&again).expect("a message"), said);
    }
    if let Ok(said) = serde_json::from_slice::<ToGuest>(input) {
        let again = serde_json::to_vec(&said).expect("a line");
        assert_eq!(serde_json::from_slice::<ToGuest>(&again).expect("a message"), said);
    }
}
