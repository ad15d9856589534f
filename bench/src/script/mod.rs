//! What a scenario says, and the judge of its expectations. Knows no guest.

pub mod expect;
pub mod read;
pub mod scenario;
mod sense;
