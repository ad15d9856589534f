//! Connectivity: the integrated companion and its radio, as AX210 and later parts show them.

use crate::register::registers;

registers! {
    Prph;
    CNVI_SCU_REG_FOR_ECO_1 = 0xa2_6ef8: ReadOnly, "whether there is a management engine";
    CNVI_SCU_SEQ_DATA_DW9 = 0xa2_7488: ReadOnly, "sequencer data";
    SD_REG_VER_GEN2 = 0xa2_b800: ReadOnly, "radio companion's version";
    CNVI_PMU_STEP_FLOW_BZ = 0xa2_d588: ReadOnly, "power management of the radio link";
    CNVI_MBOX_C = 0xa3_400c: ReadOnly, "radio version";
}
