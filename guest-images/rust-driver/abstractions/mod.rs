// SPDX-License-Identifier: GPL-2.0

//! What the `kernel` crate of 7.3 lacks and this driver needs, each in a file of its own, shaped as it
//! could be sent upstream.

pub(crate) mod completion;
pub(crate) mod device;
pub(crate) mod export;
pub(crate) mod firmware;
pub(crate) mod kmod;
pub(crate) mod pci;
pub(crate) mod pm;
pub(crate) mod workqueue;
