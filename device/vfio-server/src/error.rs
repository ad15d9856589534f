//! Errors, and why connections end.

use std::{io, path::PathBuf};

use crate::protocol::ProtocolError;

/// Why no socket could be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another server is there.
    #[error("{path}: another server is listening there; choose another path or stop it")]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The socket of a server that is gone.
    #[error("{path}: left over, nobody is listening there; remove it: rm {path}")]
    Stale {
        /// The socket.
        path: PathBuf,
    },
    /// Something else has the name.
    #[error("{path}: exists and is no socket; choose another path")]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The name does not fit a socket address.
    #[error("{path}: {len} bytes, but a socket path holds 107; choose a shorter one")]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its bytes.
        len: usize,
    },
    /// Any other failure.
    #[error("{path}: cannot listen there: {source}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why serving ended with an error.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Clients sent descriptors whose close does not return, more than can be kept open.
    #[error(
        "clients sent too many descriptors that cannot be closed (files of a FUSE mount that \
         does not answer?); end those clients and start again"
    )]
    Descriptors,
    /// The listening socket or the poll failed.
    #[error("{what}: {source}")]
    Io {
        /// Which call.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Why serving ended without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// [`crate::StopHandle::stop`] was called.
    Stopped,
    /// The one client of a connected socket ([`crate::Server::from_fd`]) has gone.
    Disconnected,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Disconnect {
    /// The client closed it.
    #[error("the client closed the connection")]
    Closed,
    /// The server was stopped, or gave up with a [`ServeError`].
    #[error("the server stopped")]
    Stopped,
    /// The client broke the protocol.
    #[error("protocol violation: {0}")]
    Protocol(#[from] ProtocolError),
    /// There is no memory any more where the client said there is.
    #[error(
        "the client has taken back memory that the card uses: there is nothing at {addr:#x} any \
         more (its file was cut short, or its file system is full)"
    )]
    Memory {
        /// Bus address.
        addr: u64,
    },
    /// The client sent descriptors for its memory, but they do not show what the guest
    /// writes: the memory is a private copy.
    #[error(
        "guest memory at {addr:#x} is not shared with this process: QEMU sees data where its \
         memory file has zeros. Start QEMU with shared memory: \
         -object memory-backend-memfd,id=mem,size=<SIZE>,share=on -machine memory-backend=mem"
    )]
    NotShared {
        /// Bus address of a page that differs.
        addr: u64,
    },
    /// The socket failed.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
}

/// Why a DMA access did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DmaError {
    /// The data was asked for by message and is on its way. Leave the work item without
    /// effect; [`crate::Device::wake`] is called once it can be repeated.
    #[error("the data is on its way")]
    Pending,
    /// No memory there, no right to it, the client refused, or bus mastering is off.
    #[error("DMA fault at {addr:#x}, {len} bytes")]
    Fault {
        /// Bus address.
        addr: u64,
        /// Bytes asked for.
        len: usize,
    },
}
