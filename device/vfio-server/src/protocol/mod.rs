//! The wire format.

/// The client broke the protocol in a way after which the stream cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// `message_size` smaller than a header or larger than any message can be.
    #[error("message of {size} bytes")]
    MessageSize {
        /// As announced.
        size: u32,
    },
}
