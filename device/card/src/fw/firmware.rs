//! What every firmware does.

use std::borrow::Cow;
use std::fmt;

use crate::event::Image;
use crate::message::{Answer, Command, Job, Packet};

/// A firmware that runs, in one dialect of host commands: it parses a command into what it means,
/// and says what is to happen. It touches neither rings nor registers, and is made anew with each
/// image that starts.
pub(crate) trait Firmware: fmt::Debug + Send {
    /// The notification that it runs.
    fn alive(&self, image: Image, valid: bool) -> Packet;

    /// Commands of this group have the long header.
    fn has_long_header(&self, group: u8) -> bool;

    /// The vendor's name of a message, if there is one.
    fn vendor_name(&self, group: u8, id: u8) -> Option<&'static str>;

    /// A host command.
    fn command(&mut self, command: &Command<'_>) -> Answer;

    /// A job's time has come: what it sends.
    fn finish(&mut self, job: Job) -> Option<Packet>;

    /// What a message is called.
    fn name(&self, group: u8, id: u8) -> Cow<'static, str> {
        match self.vendor_name(group, id) {
            Some(name) => name.into(),
            None if group == 0 => format!("{id:#04x}").into(),
            None => format!("{group:#04x}.{id:#04x}").into(),
        }
    }
}
