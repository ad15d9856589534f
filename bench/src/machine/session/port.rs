//! Where a card is plugged in.

/// What is in a card's port.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Port {
    /// QEMU is connected to the card.
    pub(super) attached: bool,
    /// QEMU was asked to let go of it.
    pub(super) leaving: bool,
    /// QEMU has said that it has.
    pub(super) deleted: bool,
}
