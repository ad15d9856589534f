//! What a scenario says, and the judge of its expectations. Knows no guest.

pub mod added;
mod complaint;
pub mod expect;
mod held;
pub mod known;
pub mod moments;
mod possible;
pub mod read;
mod recover;
mod said;
pub mod scenario;
pub mod schema;
mod sense;
mod supplied;
mod undone;
mod vain;
