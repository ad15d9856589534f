//! What can be said of a run: its events, the steps of the hand-over derived from them, how it
//! ended. The ground that everything else stands on.

pub mod accel;
pub mod added;
mod blocked;
pub mod derive;
pub mod diagnosis;
pub mod driver;
pub mod errno;
pub mod failure;
pub mod initrd;
pub mod milestone;
pub mod missing;
pub mod near;
pub mod phases;
pub mod printable;
pub mod seen;
pub mod steps;
pub mod symbol;
pub mod timeline;
pub mod trouble;
pub mod verdict;
