// SPDX-License-Identifier: GPL-2.0

//! What of the driver can be tested without a kernel: its firmware reader, as it is.

#![no_std]
#![forbid(unsafe_code)]

#[path = "../ucode.rs"]
pub mod ucode;
