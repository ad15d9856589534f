//! SHA-256 in hex.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{At, KitError};

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn sha256_file(path: &Path) -> Result<String, KitError> {
    let mut file = File::open(path).at(path)?;
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut hash).at(path)?;
    Ok(hex(&hash.finalize()))
}
