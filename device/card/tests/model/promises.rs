//! What a file promises of its firmware decides how long its answers are, and what is in them: flags as
//! well as versions, before 22000 and after.

use iwl_card::{Card, CardOptions, KnownSections};
use iwl_hw::mld::{self, MccUpdateRespV3, phy_ops, statistics, system};
use iwl_hw::mvm::{self, StatisticsNtfyHdr, id};
use iwl_hw::nvm;
use iwl_hw::versions::CmdVersion;
use iwl_ucode::UcodeBuilder;
use iwl_ucode::format::Version;
use iwl_ucode::names::{
    IWL_UCODE_TLV_API_NEW_RX_STATS, IWL_UCODE_TLV_CAPA_LAR_SUPPORT,
    IWL_UCODE_TLV_CAPA_MCC_UPDATE_11AX_SUPPORT, IWL_UCODE_TLV_CAPA_MULTI_QUEUE_RX_SUPPORT,
    IWL_UCODE_TLV_SEC_RT,
};
use zerocopy::FromBytes;

use crate::mvm::nvm_chunk;
use crate::support::{Driver, MILLISECOND, RUNTIME, Received};

const CARDS: [&str; 6] = ["7260", "8265", "9260", "ax200", "ax210", "be200"];

/// A card that runs a file with these rows and flags.
fn running(card: &str, rows: &[CmdVersion], api: &[u32], capa: &[u32]) -> Driver {
    let sections = [(0x40_0000, vec![3; 128]), (0x80_0000, vec![4; 128])];
    let file = UcodeBuilder::new(Version(46 << 8)).cmd_versions(rows);
    let file =
        sections.iter().fold(file.api_bits(api).capabilities(capa), |file, (dst, content)| {
            file.section(IWL_UCODE_TLV_SEC_RT, *dst, content)
        });
    let known = KnownSections::of([file.build().as_slice()]);
    let spec = iwl_card::card(card).expect("a card");
    let options = CardOptions { known, ..CardOptions::default() };
    let mut driver = Driver::of(Card::new(spec, options));
    let alive = driver.boot_sections(&sections);
    assert_eq!(alive.id, id::UCODE_ALIVE_NTFY, "{card}");
    driver.take_packets();
    driver
}

fn row(group: u8, cmd: u8, cmd_ver: u8, notif_ver: u8) -> CmdVersion {
    CmdVersion { cmd, group, cmd_ver, notif_ver }
}

/// All that comes of a command with the long header.
fn all_of(driver: &mut Driver, group_id: u8, cmd: u8, payload: &[u8]) -> Vec<Received> {
    driver.send_long(group_id, cmd, payload);
    driver.pass(MILLISECOND);
    driver.take_packets()
}

#[test]
fn statistics_are_of_the_version_that_is_promised() {
    const NEW: &[u32] = &[IWL_UCODE_TLV_API_NEW_RX_STATS];
    const QUEUES: &[u32] = &[IWL_UCODE_TLV_CAPA_MULTI_QUEUE_RX_SUPPORT];
    let cleared = mvm::IWL_STATISTICS_FLG_CLEAR.to_le_bytes();
    for card in CARDS {
        for (api, capa, len) in [(&[][..], &[][..], 684), (&[], QUEUES, 760), (NEW, QUEUES, 564)] {
            let mut driver = running(card, &[], api, capa);
            let all = all_of(&mut driver, mvm::LONG_GROUP, id::STATISTICS_CMD, &cleared);
            let [answer] = &all[..] else { panic!("{card}: {all:?}") };
            assert_eq!((answer.id, answer.payload.len()), (id::STATISTICS_CMD, len), "{card}");
            assert_eq!(answer.payload[..4], cleared, "{card}");
        }
        for (version, len) in [(14, 196), (15, 480)] {
            let row = row(mvm::LEGACY_GROUP, id::STATISTICS_NOTIFICATION, 99, version);
            let mut driver = running(card, &[row], NEW, QUEUES);
            let all = all_of(&mut driver, mvm::LONG_GROUP, id::STATISTICS_CMD, &cleared);
            let told = match &all[..] {
                [answer] if version == 14 => answer,
                // The answer is empty from here on.
                [answer, told] if answer.payload.is_empty() => told,
                _ => panic!("{card} {version}: {all:?}"),
            };
            let (header, rest) =
                StatisticsNtfyHdr::read_from_prefix(&told.payload).expect("a header");
            assert_eq!((told.payload.len(), usize::from(header.size.get())), (len, len), "{card}");
            assert_eq!((header.r#type, header.version), (0, version), "{card}");
            assert_eq!(rest[..4], cleared, "{card}");
            assert_eq!(told.id == id::STATISTICS_NOTIFICATION, version == 15, "{card}");
        }
    }
}

#[test]
fn statistics_of_the_system_come_in_parts() {
    let on_demand = [mld::STATS_ON_DEMAND.to_le_bytes(), [0; 4], [3, 0, 0, 0]].concat();
    for (version, len) in [(3, 444), (4, 492)] {
        let rows = [
            row(mvm::SYSTEM_GROUP, system::SYSTEM_STATISTICS_CMD, 1, 0),
            row(mld::STATISTICS_GROUP, statistics::STATISTICS_OPER_NOTIF, 99, version),
        ];
        let mut driver = running("ax210", &rows, &[], &[]);
        let all = all_of(&mut driver, mvm::SYSTEM_GROUP, system::SYSTEM_STATISTICS_CMD, &on_demand);
        let told: Vec<_> = all.iter().map(|packet| (packet.id, packet.payload.len())).collect();
        let end = (system::SYSTEM_STATISTICS_END_NOTIF, 4);
        let parts = [(system::SYSTEM_STATISTICS_CMD, 4), (0, len), (1, 144), end];
        assert_eq!(told, parts, "version {version}");
    }
}

/// A file that knows countries, before 22000 too, as that of a 7265D does.
#[test]
fn a_country_is_answered_as_its_file_promises() {
    const LAR: &[u32] = &[IWL_UCODE_TLV_CAPA_LAR_SUPPORT];
    const AX: &[u32] =
        &[IWL_UCODE_TLV_CAPA_LAR_SUPPORT, IWL_UCODE_TLV_CAPA_MCC_UPDATE_11AX_SUPPORT];
    let mcc = mld::id::MCC_UPDATE_CMD;
    let v8 = row(mvm::LONG_GROUP, mcc, 1, 8);
    for (card, channels) in CARDS.into_iter().zip([39, 51, 51, 110, 110, 110]) {
        for (rows, capa, head) in [(&[][..], LAR, 16), (&[], AX, 20), (&[v8], AX, 24)] {
            let mut driver = running(card, rows, &[], capa);
            let all = all_of(&mut driver, mvm::LONG_GROUP, mcc, &[0; 12]);
            let [answer] = &all[..] else { panic!("{card}: {all:?}") };
            assert_eq!(answer.payload.len(), head + 4 * channels, "{card}");
            if head == 16 {
                let (v3, _) = MccUpdateRespV3::read_from_prefix(&answer.payload).expect("a head");
                assert_eq!(v3.n_channels.get() as usize, channels, "{card}");
                assert_eq!(v3.mcc.get().to_be_bytes(), *b"DE", "{card}");
            }
        }
    }
}

/// The driver complains of a conflict where the NVM of 8000 and 9000 says another thing than the file.
#[test]
fn the_nvm_says_of_lar_what_the_file_says() {
    for card in ["8260", "8265", "9260", "9560"] {
        for (capa, enabled) in [(&[IWL_UCODE_TLV_CAPA_LAR_SUPPORT][..], true), (&[], false)] {
            let mut driver = running(card, &[], &[], capa);
            // In pieces, as drivers read it.
            let mut section = Vec::new();
            for offset in [0, 2048] {
                section.extend(nvm_chunk(&mut driver, nvm::NVM_SECTION_TYPE_REGULATORY, offset).1);
            }
            let (_, sw) = nvm_chunk(&mut driver, nvm::NVM_SECTION_TYPE_SW, 0);
            let at = match u16::from_le_bytes([sw[0], sw[1]]) {
                0..0xe39 => nvm::NVM_LAR_OFFSET_OLD,
                _ => nvm::NVM_LAR_OFFSET,
            };
            let says = u16::from_le_bytes([section[at], section[at + 1]]);
            assert_eq!(says & nvm::NVM_LAR_ENABLED != 0, enabled, "{card}");
        }
    }
}

#[test]
fn shared_memory_is_as_long_as_its_silicon_has_it() {
    let (group, cmd) = (mvm::SYSTEM_GROUP, system::SHARED_MEM_CFG_CMD);
    for (card, version, len) in
        [("8265", 0, 100), ("9260", 0, 100), ("ax200", 3, 252), ("be200", 4, 260)]
    {
        let mut driver = running(card, &[row(group, cmd, 99, version)], &[], &[]);
        let all = all_of(&mut driver, group, cmd, &[]);
        assert_eq!(all[0].payload.len(), len, "{card}");
    }
    let mut driver = running("7260", &[], &[], &[]);
    assert_eq!(driver.command(0, id::SHARED_MEM_CFG, &[]).payload.len(), 68);
}

#[test]
fn how_warm_it_is_comes_as_the_answer_or_after_it() {
    let (group, id) = (mld::PHY_OPS_GROUP, phy_ops::CMD_DTS_MEASUREMENT_TRIGGER_WIDE);
    for card in ["8265", "9260", "ax200", "be200"] {
        let lengths = |rows: &[CmdVersion]| -> Vec<_> {
            let all = all_of(&mut running(card, rows, &[], &[]), group, id, &[0; 4]);
            all.iter().map(|packet| (packet.id, packet.payload.len())).collect()
        };
        assert_eq!(lengths(&[row(group, id, 1, 1)]), [(id, 4)], "{card}");
        let told = (phy_ops::DTS_MEASUREMENT_NOTIF_WIDE, 12);
        assert_eq!(lengths(&[]), [(id, 4), told], "{card}");
    }
}

/// What a driver sends of which it wants a status is no unknown command.
#[test]
fn a_command_that_wants_a_status_is_known() {
    for card in ["7260", "ax210", "6205"] {
        let mut driver = Driver::new(card);
        driver.boot(RUNTIME, 0);
        driver.story();
        // TX_ANT_CONFIGURATION_CMD, and one that no table has.
        for cmd in [0x98, 0xfa] {
            driver.command(0, cmd, &[0; 4]);
        }
        let story = driver.story();
        assert!(story.contains("TX_ANT_CONFIGURATION_CMD, queue 0, 4 bytes, modelled true"));
        assert!(story.contains("0xfa, queue 0, 4 bytes, modelled false"), "{card}: {story}");
    }
}
