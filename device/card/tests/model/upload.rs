//! From an image in host memory to a released CPU, on each way there is.

use iwl_hw::csr::{self};
use iwl_hw::fh;

use crate::support::{Driver, INIT};

/// Families 8000 and 9000 start with the load status, earlier ones with the reset register.
#[test]
fn each_family_has_its_own_release() {
    for (name, register, value) in [
        ("7260", csr::CSR_RESET, 0),
        ("8265", fh::FH_UCODE_LOAD_STATUS, fh::UCODE_LOAD_STATUS_DONE),
        ("9260", fh::FH_UCODE_LOAD_STATUS, fh::UCODE_LOAD_STATUS_DONE),
    ] {
        let mut driver = Driver::new(name);
        driver.init();
        driver.upload(0x40_0000, INIT);
        driver.story();
        let other =
            if register == csr::CSR_RESET { fh::FH_UCODE_LOAD_STATUS } else { csr::CSR_RESET };
        driver
            .write(other, if register == csr::CSR_RESET { fh::UCODE_LOAD_STATUS_DONE } else { 0 });
        assert_eq!(driver.story(), "", "{name}: not yet");
        driver.write(register, value);
        assert_eq!(driver.story(), "CPU released: Init, 1 sections, 16 bytes\n", "{name}");
    }
}

#[test]
fn chunks_of_a_large_section_are_one_section() {
    let mut driver = Driver::new("7260");
    driver.init();
    let full = vec![0; fh::FH_MEM_TB_MAX_LENGTH as usize];
    driver.upload(0, &full);
    driver.upload(fh::FH_MEM_TB_MAX_LENGTH, &[0; 64]);
    driver.upload(0x80_0000, &[0; 64]);
    driver.upload(0x80_0040, &[0; 64]);
    driver.story();
    driver.release();
    assert_eq!(driver.story(), "CPU released: Unknown, 3 sections, 131264 bytes\n");
}
