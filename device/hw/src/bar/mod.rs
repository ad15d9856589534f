//! Rows of BAR 0, by block. Which silicon has which is in `maps.rs`.

pub mod csr;
pub mod csr_bz;
pub mod ctxt;
pub mod fh;
pub mod msix;
pub mod rfh;
pub mod tfh;
