//! The model against a driver's sequences, as the traces of real ones have them: no bus, no guest.
//!
//! One program, so that it is linked once. A new way to load an image, or a new generation of rings,
//! is a file here, and its half of the rings one in `support`.

mod config;
mod dvm;
mod faults;
mod gen2;
mod gen3;
mod hostile;
mod interrupts;
mod msix;
mod mvm;
mod promises;
mod registers;
mod rfh;
mod sections;
mod support;
mod upload;
