//! Self-contained pages: one per run, one per matrix, one per exploration.
//!
//! Rust writes what is read (verdicts, expectations, facts), the scripts draw what is looked at
//! (timelines, event list) from a block of JSON. What came out of the guest is text to both: it is
//! escaped here and set as text there, and the page's policy runs no script but its own.

mod dialog;
mod events;
mod matrix;
mod orders;
mod page;
mod picture;
mod run;

pub use dialog::Pictures;
pub use matrix::report as matrix;
pub use orders::report as orders;
pub use run::report as run;
