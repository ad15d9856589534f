// SPDX-License-Identifier: GPL-2.0

//! What of the driver can be tested without a kernel: its firmware reader, as it is.

#![no_std]
#![forbid(unsafe_code)]

#[allow(clippy::manual_is_multiple_of, reason = "the kernel's rustc 1.85 has no is_multiple_of()")]
#[path = "../ucode.rs"]
pub mod ucode;
