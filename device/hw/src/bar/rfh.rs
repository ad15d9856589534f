//! Multi-queue receive of 9000 and 22000, in BAR 0; the rest of it is in the periphery.
//!
//! Source: `iwl-fh.h`.

use crate::register::registers;

registers! {
    Rfh;
    RFH_Q0_FRBDCB_WIDX_TRG[16; 4; 0; "RFH_Q_FRBDCB_WIDX_TRG"] = 0x1c80: WriteOnly, "receive queue: buffers offered up to here";
}
