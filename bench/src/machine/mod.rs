//! One guest: QEMU, its memory and snapshots, the gates, and the session that hears them all.

pub mod accel;
pub mod faults;
pub mod firmware;
pub mod gates;
pub mod idle;
pub mod memory;
pub mod qemu;
pub mod session;
pub mod signals;
pub mod snapshot;
pub mod speed;
pub mod trace;
