//! Error numbers by name, as `errno(3)` and the kernel's sources write them.

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serializer};

use crate::facts::near::NoSuch;

/// x86-64, `include/uapi/asm-generic/errno*.h`.
const NAMES: &[(&str, i32)] = &[
    ("EPERM", 1),
    ("ENOENT", 2),
    ("EINTR", 4),
    ("EIO", 5),
    ("ENXIO", 6),
    ("EBADF", 9),
    ("EAGAIN", 11),
    ("ENOMEM", 12),
    ("EACCES", 13),
    ("EFAULT", 14),
    ("EBUSY", 16),
    ("EEXIST", 17),
    ("EXDEV", 18),
    ("ENODEV", 19),
    ("ENOTDIR", 20),
    ("EISDIR", 21),
    ("EINVAL", 22),
    ("ENFILE", 23),
    ("EMFILE", 24),
    ("EFBIG", 27),
    ("ENOSPC", 28),
    ("EROFS", 30),
    ("ENAMETOOLONG", 36),
    ("ENOSYS", 38),
    ("ELOOP", 40),
    ("EPROTO", 71),
    ("EBADMSG", 74),
    ("EOVERFLOW", 75),
    ("EOPNOTSUPP", 95),
    ("ENETDOWN", 100),
    ("ETIMEDOUT", 110),
    ("ESTALE", 116),
    ("ERFKILL", 132),
];

/// An error number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// There is no such file.
    pub const ENOENT: Errno = Errno(2);

    /// All that there are.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// By name.
    ///
    /// # Errors
    /// There is none of this name; those that there are.
    pub fn known(name: &str) -> Result<Errno, String> {
        let number = NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
        number.map(Errno).ok_or_else(|| format!("{:#}", NoSuch::new("error", name, Errno::names())))
    }
}

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Errno {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Errno::known(&name).map_err(de::Error::custom)
    }
}

/// For serde: as its number, which is how events have it.
///
/// # Errors
/// The serializer's.
pub fn to_number<S: Serializer>(errno: &Errno, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i32(errno.0)
}

/// For serde: from its number.
///
/// # Errors
/// The deserializer's.
pub fn from_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Errno, D::Error> {
    i32::deserialize(deserializer).map(Errno)
}
