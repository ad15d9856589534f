//! What the card told, in words.

use iwl_card::{CardEvent, ResetKind};
use iwl_hw::csr::Int;

/// An event's line; register accesses have none.
pub(super) fn line(event: &CardEvent) -> Option<String> {
    let text = match event {
        CardEvent::RegRead { .. } | CardEvent::RegWrite { .. } | CardEvent::MemRead { .. } => {
            return None;
        }
        CardEvent::Reset { how: ResetKind::Function } => "reset: function".to_owned(),
        CardEvent::Reset { how: ResetKind::Software } => "reset: software".to_owned(),
        CardEvent::Interrupt { irq, causes, .. } => {
            format!("{irq:?}: {:?}", Int::from_bits_retain(*causes))
        }
        CardEvent::DmaFault { addr, len, during } => {
            format!("DMA fault: {during}, {len} bytes at {addr:#x}")
        }
        CardEvent::BadInput { what } => format!("bad input: {what}"),
        CardEvent::NvmRead { section, offset, len, present } => {
            format!("NVM: {section} {offset}+{len}, present {present}")
        }
        CardEvent::SectionUploaded { image, index, dst, len } => {
            let to = dst.map_or_else(String::new, |dst| format!(" to {dst:#x}"));
            format!("section: {image:?} {index}, {len} bytes{to}")
        }
        CardEvent::SectionWrong { image, index, how } => {
            format!("section wrong: {image:?} {index}, {}", how.word())
        }
        CardEvent::ImlLoaded { len } => format!("image loader: {len} bytes"),
        CardEvent::PnvmLoaded { len } => format!("PNVM: {len} bytes"),
        CardEvent::CpuReleased { image, sections, bytes, api } => {
            let api = api.map_or_else(String::new, |api| format!(" of API {api}"));
            format!("CPU released: {image:?}{api}, {sections} sections, {bytes} bytes")
        }
        CardEvent::Alive { image, valid } => format!("ALIVE: {image:?}, valid {valid}"),
        CardEvent::HostCommand { name, queue, len, modelled, .. } => {
            format!("command: {name}, queue {queue}, {len} bytes, modelled {modelled}")
        }
        CardEvent::Packet { name, notification, len, .. } => {
            format!("packet: {name}, {len} bytes, notification {notification}")
        }
        CardEvent::AliveReleased => "ALIVE released".to_owned(),
        CardEvent::RfKillSwitched { on } => format!("RF-kill: {on}"),
        CardEvent::Vanished => "vanished".to_owned(),
        CardEvent::FaultSwitched { fault, on } => format!("fault {fault}: {on}"),
        CardEvent::FaultInjected { fault } => format!("fault: {fault}"),
    };
    Some(text + "\n")
}
