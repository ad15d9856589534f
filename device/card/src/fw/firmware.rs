//! What every firmware does.

use std::borrow::Cow;
use std::fmt;

use crate::event::Image;
use crate::layout;
use crate::message::{Answer, Command, Packet};

/// Why a firmware has failed, and what it knows then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    /// `CSR_HW_REV`.
    pub(crate) hw_rev: u32,
    /// The header of the last command.
    pub(crate) last_command: u32,
}

/// Why a firmware has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// It has failed itself: of this, or an assertion does not hold.
    Own(Option<u32>),
    /// The driver has stopped it.
    Nmi,
}

/// A firmware that runs, in one dialect of host commands: it parses a command into what it means,
/// and says what is to happen. It touches neither rings nor registers, and is made anew with each
/// image that starts.
pub(crate) trait Firmware: fmt::Debug + Send {
    /// The notification that it runs.
    fn alive(&self, image: Image, valid: bool) -> Packet;

    /// The error logs that it leaves in device memory, each with its place, which ALIVE has told.
    fn error_logs(&self, error: &Failure) -> Vec<(u32, Vec<u8>)>;

    /// Where it keeps logs, of errors or others: empty as it starts.
    fn logs(&self) -> [u32; 3] {
        [layout::EVENT_LOG, layout::ERROR_LOG, layout::UMAC_ERROR_LOG]
    }

    /// Commands of this group have the long header.
    fn has_long_header(&self, group: u8) -> bool;

    /// The vendor's name of a message, if there is one.
    fn vendor_name(&self, group: u8, id: u8) -> Option<&'static str>;

    /// A host command.
    fn command(&mut self, command: &Command<'_>) -> Answer;

    /// The scan's time is over: what it sends.
    fn finish_scan(&mut self) -> Option<Packet>;

    /// It has taken the platform's NVM: what it sends.
    fn pnvm_complete(&self) -> Option<Packet> {
        None
    }

    /// The host has resumed: what it sends.
    fn resumed(&self) -> Option<Packet> {
        None
    }

    /// What a message is called.
    fn name(&self, group: u8, id: u8) -> Cow<'static, str> {
        match self.vendor_name(group, id) {
            Some(name) => name.into(),
            None if group == 0 => format!("{id:#04x}").into(),
            None => format!("{group:#04x}.{id:#04x}").into(),
        }
    }
}
