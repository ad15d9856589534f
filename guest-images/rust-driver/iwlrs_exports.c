// SPDX-License-Identifier: GPL-2.0
/*
 * What the core exports for the opmodes. Rust has no EXPORT_SYMBOL; as in rust/exports.c the type is of no
 * matter here, and abi.rs has it.
 */

#include <linux/export.h>
#include <linux/module.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)

EXPORT_SYMBOL_RUST_GPL(iwlrs_opmode_register);
EXPORT_SYMBOL_RUST_GPL(iwlrs_opmode_deregister);
EXPORT_SYMBOL_RUST_GPL(iwlrs_device);
EXPORT_SYMBOL_RUST_GPL(iwlrs_family);
EXPORT_SYMBOL_RUST_GPL(iwlrs_phy_sku);
EXPORT_SYMBOL_RUST_GPL(iwlrs_start_hw);
EXPORT_SYMBOL_RUST_GPL(iwlrs_stop_hw);
EXPORT_SYMBOL_RUST_GPL(iwlrs_eeprom);
EXPORT_SYMBOL_RUST_GPL(iwlrs_otp_block);
EXPORT_SYMBOL_RUST_GPL(iwlrs_load);
EXPORT_SYMBOL_RUST_GPL(iwlrs_send);
EXPORT_SYMBOL_RUST_GPL(iwlrs_wait);
EXPORT_SYMBOL_RUST_GPL(iwlrs_interface_add);
EXPORT_SYMBOL_RUST_GPL(iwlrs_interface_remove);
