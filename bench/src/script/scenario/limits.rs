//! What no scenario goes beyond.

/// How often something can be repeated: more would be a mistake.
pub const MOST_REPEATS: u32 = 1_000_000;
/// A day, in seconds.
pub const LONGEST_PATIENCE: u64 = 86_400;

/// Cards in one machine: it has so many slots for them.
pub const MOST_CARDS: usize = 10;
