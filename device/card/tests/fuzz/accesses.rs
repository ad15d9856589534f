//! What `cargo fuzz` calls with bytes of its making, and `tests/corpus.rs` with those kept.

use iwl_card::{
    Card, CardEvent, CardOptions, Clock, DmaError, Events, Irq, Memory, Nanos, Raise, World, cards,
};
use iwl_hw::csr;

/// Guest memory from 0, as far as it goes, and a clock that the input turns.
struct Guest {
    memory: Vec<u8>,
    now: Nanos,
    /// Events since the last act.
    told: usize,
}

impl Guest {
    fn place(&mut self, addr: u64, len: usize) -> Result<&mut [u8], DmaError> {
        let start = usize::try_from(addr).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(len)?));
        range.and_then(|range| self.memory.get_mut(range)).ok_or(DmaError::Fault { addr, len })
    }
}

impl Clock for Guest {
    fn now(&self) -> Nanos {
        self.now
    }
}

impl Memory for Guest {
    fn dma_read(&mut self, addr: u64, data: &mut [u8]) -> Result<(), DmaError> {
        self.place(addr, data.len()).map(|place| data.copy_from_slice(place))
    }
    fn dma_write(&mut self, addr: u64, data: &[u8]) -> Result<(), DmaError> {
        self.place(addr, data.len()).map(|place| place.copy_from_slice(data))
    }
}

impl Raise for Guest {
    fn raise(&mut self, _: Irq) {}
}

impl Events for Guest {
    fn emit(&mut self, _: CardEvent) {
        self.told += 1;
    }
}

impl World for Guest {
    fn set_bus_master(&mut self, _: bool) {}
}

/// The first byte is the card's; then each 8 bytes are an act: which, where (24 bits), and a
/// value. No act may make more events than a ring of descriptors explains.
pub(crate) fn survive(input: &[u8]) {
    let Some((which, acts)) = input.split_first() else { return };
    let spec = &cards()[usize::from(*which) % cards().len()];
    let mut card = Card::new(spec, CardOptions::default());
    let mut guest = Guest { memory: vec![0; 1 << 18], now: 0, told: 0 };
    let write = |card: &mut Card, guest: &mut Guest, register: u32, value: u32| {
        card.bar_write(guest, u64::from(register), &value.to_le_bytes());
    };
    for act in acts.chunks_exact(8).take(500) {
        let place = u32::from_le_bytes([act[1], act[2], act[3], 0]);
        let data = [act[4], act[5], act[6], act[7]];
        let value = u32::from_le_bytes(data);
        let offset = u64::from(place);
        match act[0] % 16 {
            0..5 => write(&mut card, &mut guest, place & 0x3ffc, value),
            5 => card.bar_write(&mut guest, offset, &data[..act[0] as usize / 16 % 5]),
            6 => card.bar_read(&mut guest, offset, &mut vec![0; act[4] as usize % 17]),
            7 | 8 => {
                // Through the window to the periphery.
                write(&mut card, &mut guest, csr::HBUS_TARG_PRPH_WADDR, place | 3 << 24);
                write(&mut card, &mut guest, csr::HBUS_TARG_PRPH_WDAT, value);
            }
            9 => write(&mut card, &mut guest, csr::HBUS_TARG_WRPTR, value),
            10 | 11 => {
                // A word of a descriptor, a buffer or a table.
                let at = place as usize % (guest.memory.len() - 4);
                guest.memory[at..at + 4].copy_from_slice(&data);
            }
            12 => card.config_write(&mut guest, offset & 0xfff, &data),
            13 => card.config_read(&mut guest, offset & 0xfff, &mut [0; 4]),
            14 => guest.now += u64::from(value % 200_000_000),
            _ if value % 8 == 0 => card.reset(&mut guest),
            _ => card.set_rf_kill(&mut guest, value & 1 == 1),
        }
        card.run(&mut guest);
        assert!(guest.told < 100_000, "{} events of one act", guest.told);
        guest.told = 0;
    }
}
