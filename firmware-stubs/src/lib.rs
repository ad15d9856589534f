//! Intel wireless `.ucode` firmware files: a builder, a validated reader, the stub that each
//! emulated card needs, and what the driver makes of any file.
//!
//! - [`stub`]: the stub firmware of each card as data, and the names that its driver asks for.
//! - [`builder`] makes files, [`corrupt`] breaks them.
//! - [`reader`] reads them by the driver's own rules; [`error`] says what it refuses and where.
//! - [`fate`]: what becomes of a file that was read: which module the driver asks for, or why
//!   it oopses, unbinds the card or tries another file.
//! - [`skeleton()`](skeleton): a file without what the driver only hands on.
//! - [`pnvm`]: `.pnvm` files, made and read.
//! - [`inspect`](mod@inspect) and [`make`](mod@make): what `iwlbench ucode inspect` and
//!   `iwlbench ucode build` show, typed and as text.
//! - [`format`](mod@format) and [`names`]: the facts, under the kernel's names.
//!
//! ```
//! use iwl_ucode::stub::{self, Kernel};
//!
//! let card = stub::for_card("7260").unwrap();
//! let file = card.build(card.newest(Kernel::V7_3));
//! let ucode = iwl_ucode::Ucode::parse(&file)?;
//! assert_eq!(ucode.opmode(), iwl_ucode::Opmode::Iwlmvm);
//! # Ok::<(), iwl_ucode::ParseError>(())
//! ```
//!
//! # Sources
//! The `iwlwifi` driver of kernel 7.3: `fw/file.h`, `fw/img.h`, `fw/pnvm.c` and, for what is accepted and
//! what follows, `iwl-drv.c` (`iwl_parse_v1_v2_firmware`, `iwl_parse_tlv_firmware`,
//! `validate_sec_sizes`, `iwl_req_fw_callback`, `iwl_request_firmware`). API ranges of older
//! kernels: `cfg/*.c` of Debian's 6.1 and 6.12; of 5.10 and 6.16 to 7.2 the names that the driver was
//! seen to ask for when it got none. The contents of the stubs are what `iwldvm`, `iwlmvm`
//! and `iwlmld` of these kernels and of 7.3 were seen to need.
//!
//! # What is left out
//! - The parser is that of 7.3. Older drivers skip TLVs that it checks (`CMD_BIOS_TABLE`,
//!   `NUM_LINKS`), and some print the minor of `FW_VERSION` in decimal.
//! - What the modules themselves demand once started (capabilities, command versions) is not
//!   judged, only what `iwlwifi` does before it asks for the module.
//! - Where the driver reads past the value of a debug TLV that is too short for its structure
//!   (`FW_DBG_DEST`, `FW_DBG_CONF`, `FW_DBG_TRIGGER`), the TLV counts as ignored.
//! - Running out of memory, the external file `iwl-debug-yoyo.bin` and the
//!   contents of sections. Stub sections hold a marker and no code: a real card would not
//!   start.

pub mod builder;
pub mod corrupt;
pub mod error;
pub mod fate;
pub mod format;
pub mod inspect;
pub mod make;
pub mod marker;
pub mod names;
pub mod pnvm;
pub mod reader;
mod skeleton;
pub mod stub;

pub use builder::{LegacyBuilder, UcodeBuilder};
pub use corrupt::Corruption;
pub use error::ParseError;
pub use fate::{Fate, Opmode, Target};
pub use inspect::{Inspection, UcodeInspection, inspect};
pub use make::{Made, make};
pub use names::TlvType;
pub use pnvm::{Pnvm, PnvmBuilder};
pub use reader::Ucode;
pub use skeleton::skeleton;
