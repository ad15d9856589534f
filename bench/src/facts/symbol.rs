//! Names of the guest kernel's functions, for people.

/// One of Rust's as its source has it; any other as it is.
pub fn readable(symbol: &str) -> String {
    // Without the hash that tells crates of one name apart.
    format!("{:#}", rustc_demangle::demangle(symbol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_rusts_is_as_its_source_has_it() {
        let unbind = "_RNvXCsbPanUnlb79R_10iwlrs_coreNtB2_6DriverNtNtCsb5MLIFMWygY_6kernel3pci\
            6Driver6unbind";
        assert_eq!(readable(unbind), "<iwlrs_core::Driver as kernel::pci::Driver>::unbind");
        assert_eq!(readable("iwl_drv_stop"), "iwl_drv_stop");
    }
}
