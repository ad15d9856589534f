//! The guest's clock.

use nix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC`, nanoseconds.
pub(crate) fn mono_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap_or_else(|e| {
        unreachable!("CLOCK_MONOTONIC always exists, but clock_gettime says {e}")
    });
    // Neither part of a time since boot is negative.
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}
