//! The stub firmware of each card: the smallest file that the driver takes to ALIVE.
//!
//! A stub is data: one [`StubDef`] names the file's stem, the API numbers that each kernel
//! asks for, and what the file holds. The driver never looks inside a section, so each one
//! is a marker ([`crate::marker`]) and a counting pattern; the card's firmware interpreter
//! tells the images apart by the marker.

use std::fmt;
use std::str::FromStr;

use iwl_hw::versions;
use serde::Serialize;

use crate::builder::UcodeBuilder;
use crate::format::Version;
use crate::marker;
use crate::names::*;
use crate::pnvm::{HwType, PnvmBuilder, SkuId};

/// Bytes of every stub section, marker included.
pub const SECTION_SIZE: usize = 256;

/// A firmware API number as the driver counts them: plain up to c101, and 1000 + core from
/// the files that are named `-c<core>` (`ENCODE_CORE_AS_API`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct Api(pub u32);

impl Api {
    const CORE_START: u32 = 1000;
    /// Plain API numbers run ahead of the core numbers by this.
    pub(crate) const TO_CORE: i64 = 3;

    /// The API number of a `-c<core>` file.
    #[must_use]
    pub const fn core(core: u32) -> Self {
        Self(Self::CORE_START + core)
    }

    /// Whether the file's name counts cores.
    #[must_use]
    pub const fn is_core(self) -> bool {
        self.0 >= Self::CORE_START
    }

    /// The number that the file's header carries.
    #[must_use]
    pub const fn in_header(self) -> u32 {
        if self.is_core() { self.0 - Self::CORE_START } else { self.0 }
    }

    /// The core number that the drivers from 6.18 on compare (`iwl_api_to_core`).
    pub(crate) fn core_number(self) -> i64 {
        let number = i64::from(self.in_header());
        if self.is_core() { number } else { number - Self::TO_CORE }
    }

    /// What the driver asks for when this one is missing or rejected: one less, and after c100, or
    /// 6.18's c99, the first number with which no core is counted.
    const fn next(self) -> Self {
        match self.0.checked_sub(Self::CORE_START) {
            Some(100) => Self(102),
            Some(99) => Self(101),
            _ => Self(self.0.saturating_sub(1)),
        }
    }
}

impl From<u32> for Api {
    fn from(api: u32) -> Self {
        Self(api)
    }
}

/// As in the file's name: `17`, `c107` (`FW_API_FMT`).
impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_core() { "c" } else { "" }, self.in_header())
    }
}

/// Not an API number.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is not a firmware API number: expected one as in the file's name, 17 or c107")]
pub struct ApiError(pub String);

/// As in the file's name: `17`, `c107`.
impl FromStr for Api {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        let number = |digits: &str| digits.parse::<u16>().ok().map(u32::from);
        let api = match text.strip_prefix('c') {
            Some(core) => number(core).map(Self::core),
            None => number(text).map(Self),
        };
        // Neither `017` nor `+17`, nor 1017 for c17.
        api.filter(|api| api.to_string() == text).ok_or_else(|| ApiError(text.to_owned()))
    }
}

/// A kernel release, for what differs between releases.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub struct Kernel {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
}

impl Kernel {
    /// Debian bullseye.
    pub const V5_10: Self = kernel(5, 10);
    /// Debian bookworm.
    pub const V6_1: Self = kernel(6, 1);
    /// Debian trixie.
    pub const V6_12: Self = kernel(6, 12);
    /// The first with `iwlmld`.
    pub const V6_15: Self = kernel(6, 15);
    /// The first whose driver compares core numbers.
    pub const V6_18: Self = kernel(6, 18);
    /// The first that chooses `iwlmld` whatever the file's version is.
    pub const V6_19: Self = kernel(6, 19);
    /// Debian trixie-backports.
    pub const V7_3: Self = kernel(7, 3);
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Not a kernel release.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is not a kernel release: expected MAJOR.MINOR, as in 7.3 or 7.3.4+deb13-amd64")]
pub struct KernelError(pub String);

/// Takes `7.3` as well as `7.3.4+deb13-amd64`.
impl FromStr for Kernel {
    type Err = KernelError;

    fn from_str(release: &str) -> Result<Self, KernelError> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Ok(Self { major, minor }),
            _ => Err(KernelError(release.to_owned())),
        }
    }
}

/// The API numbers that kernels from `since` on ask for, and what the stub must hold then.
#[derive(Clone, Copy, Debug)]
pub struct ApiRange {
    /// First kernel examined with this range. Kernels between two examined ones are taken
    /// to behave like the older of the two.
    pub since: Kernel,
    /// Lowest number the driver accepts.
    pub min: Api,
    /// Number the driver asks for first.
    pub max: Api,
    content: Content,
}

/// What a stub file holds.
#[derive(Clone, Copy, Debug)]
enum Content {
    /// `iwldvm`: code and data for each image, without offsets.
    Dvm,
    /// `iwlmvm` up to family 9000: runtime and init image.
    Mvm,
    /// The same of family 9000: without many receive queues the driver refuses to start with MSI-X.
    MvmMultiQueue,
    /// `iwlmvm` from AX200 on: one image; the driver insists on `STA_PM_NOTIF`.
    MvmUnified,
    /// The same of AX210 and later, with an image loader; from some number on with an ALIVE that
    /// names the SKU, so that the driver looks for the platform's NVM.
    MvmLoader { sku: bool },
    /// `iwlmld`, where the number is not too low for it: as above and what its start and its
    /// interface need, and the version by which the drivers up to 6.18 choose it.
    Mld,
}

/// One card's stub.
#[derive(Debug, Clone, Copy)]
pub struct StubDef {
    /// The card's name, as in `iwlbench --card`.
    pub card: &'static str,
    /// What the file is called up to the API number: `iwlwifi-7260-`.
    pub stem: &'static str,
    /// By kernel, oldest first.
    pub ranges: &'static [ApiRange],
    /// Bytes of code and of data that a DVM image may have: `max_inst_size` and
    /// `max_data_size` of the card's configuration, 0 for every card of `iwlmvm`.
    pub dvm_limits: (u32, u32),
    /// `iwl_drv_is_wifi7_supported`: family BZ or later and RF type FM or later.
    pub wifi7: bool,
    /// What the card is given beside its firmware, if it asks for that: when its ALIVE names
    /// the SKU.
    pub pnvm: Option<PnvmDef>,
}

/// One card's `.pnvm` file.
#[derive(Debug, Clone, Copy)]
pub struct PnvmDef {
    /// What the section is for: that of Intel's own file.
    pub sku: SkuId,
    /// The hardware that it is for.
    pub hardware: &'static [HwType],
}

impl PnvmDef {
    /// The stub file: one section with two chunks.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let opened = PnvmBuilder::new().sku(self.sku);
        let named = self.hardware.iter().fold(opened, |file, hw| file.hw_type(*hw));
        let chunk = section(marker::PNVM);
        // Two: a driver takes no other number, unless the firmware says that it does.
        named.version(1).chunk(0, &chunk).chunk(0, &chunk).build()
    }
}

impl StubDef {
    /// `iwlwifi-7260-17.ucode`.
    #[must_use]
    pub fn file_name(&self, api: impl Into<Api>) -> String {
        format!("{}{}.ucode", self.stem, api.into())
    }

    /// The API number that a name of this file's asks for.
    #[must_use]
    pub fn api_of(&self, file_name: &str) -> Option<Api> {
        file_name.strip_prefix(self.stem)?.strip_suffix(".ucode")?.parse().ok()
    }

    /// This stub for a card of which `kernel`'s driver looks these names up instead, in order; `None`
    /// if they are no firmware's. Its names are kept for as long as the program runs.
    #[must_use]
    pub fn renamed(&self, kernel: Kernel, names: &[String]) -> Option<&'static Self> {
        let (first, last) = (names.first()?, names.last()?);
        let stem_of = |name: &str| {
            let plain = name.strip_suffix(".ucode")?;
            Some(plain[..=plain.rfind('-')?].to_owned())
        };
        let stem: &'static str = Box::leak(stem_of(first)?.into_boxed_str());
        let renamed = Self { stem, ranges: &[], ..*self };
        let (max, min) = (renamed.api_of(first)?, renamed.api_of(last)?);
        let content = self.range(kernel).content;
        let ranges = Box::leak(Box::new([ApiRange { since: kernel, min, max, content }]));
        Some(Box::leak(Box::new(Self { ranges, ..renamed })))
    }

    /// `iwlwifi-ty-a0-gf-a0.pnvm`, for a card that has one.
    #[must_use]
    pub fn pnvm_name(&self) -> Option<String> {
        self.pnvm.as_ref().map(|_| format!("{}.pnvm", self.stem.trim_end_matches('-')))
    }

    /// The range that `kernel` asks for; an older kernel than any examined gets the oldest.
    #[must_use]
    pub fn range(&self, kernel: Kernel) -> &ApiRange {
        self.ranges.iter().rfind(|r| r.since <= kernel).unwrap_or(&self.ranges[0])
    }

    /// The names that the driver of `kernel` looks up, in order, when every one of them is
    /// missing or rejected.
    pub fn names_tried(&self, kernel: Kernel) -> impl Iterator<Item = String> + '_ {
        let range = self.range(kernel);
        std::iter::successors(Some(range.max), |api| Some(api.next()))
            .take_while(|api| *api >= range.min)
            .map(|api| self.file_name(api))
    }

    /// All files that the driver of `kernel` may ask for: those, and the platform's NVM.
    pub fn names_asked(&self, kernel: Kernel) -> impl Iterator<Item = String> + '_ {
        self.names_tried(kernel).chain(self.pnvm_name())
    }

    /// The API number that `kernel` asks for first: the one to build by default.
    #[must_use]
    pub fn newest(&self, kernel: Kernel) -> Api {
        self.range(kernel).max
    }

    /// The stub file. An API number outside every range builds too, with the content of the
    /// nearest range: fault scenarios want a file that the driver then refuses.
    #[must_use]
    pub fn build(&self, api: impl Into<Api>) -> Vec<u8> {
        self.builder(api.into()).build()
    }

    /// The stub before it becomes bytes, to append to.
    pub fn builder(&self, api: impl Into<Api>) -> UcodeBuilder {
        let api = api.into();
        let nearest = |r: &&ApiRange| api.0.abs_diff(api.clamp(r.min, r.max).0);
        let range = self.ranges.iter().rev().min_by_key(nearest).unwrap_or(&self.ranges[0]);
        range.content.builder(api)
    }
}

impl Content {
    fn builder(self, api: Api) -> UcodeBuilder {
        let number = api.in_header();
        let [init, runtime] =
            [marker::INIT, marker::RUNTIME].map(|marker| move |nth| image(marker, api, nth));
        match self {
            // Version 18.168.x.1 is that of the last real 6000g2a file.
            Self::Dvm => {
                UcodeBuilder::new(Version(u32::from_be_bytes([18, 168, 0, 1]) | number << 8))
                    .human_readable("iwlbench stub, iwldvm")
                    .tlv(IWL_UCODE_TLV_INST, runtime(0))
                    .tlv(IWL_UCODE_TLV_DATA, runtime(1))
                    .tlv(IWL_UCODE_TLV_INIT, init(0))
                    .tlv(IWL_UCODE_TLV_INIT_DATA, init(1))
                    .flags(0)
            }
            Self::Mvm => mvm(api, "iwlbench stub, iwlmvm", true),
            Self::MvmMultiQueue => mvm(api, "iwlbench stub, iwlmvm", true)
                .capabilities(&[IWL_UCODE_TLV_CAPA_MULTI_QUEUE_RX_SUPPORT])
                .tlv(IWL_UCODE_TLV_TYPE_TRIGGERS, restarts()),
            Self::MvmUnified => unified(api).cmd_versions(versions::UNIFIED),
            Self::MvmLoader { sku } => {
                let stub = unified(api).tlv(IWL_UCODE_TLV_IML, IMAGE_LOADER);
                stub.cmd_versions(if sku { versions::AX210_SKU } else { versions::UNIFIED })
            }
            // What 6.16 and 6.17 ask for at last, `iwlmvm` drives there.
            Self::Mld if api < MLD_SINCE => Self::MvmLoader { sku: false }.builder(api),
            Self::Mld => mvm(api, "iwlbench stub, iwlmld", false)
                .api_bits(&[IWL_UCODE_TLV_API_REGULATORY_NVM_INFO])
                .capabilities(&[
                    IWL_UCODE_TLV_CAPA_LAR_SUPPORT,
                    IWL_UCODE_TLV_CAPA_STA_PM_NOTIF,
                    IWL_UCODE_TLV_CAPA_MULTI_QUEUE_RX_SUPPORT,
                    IWL_UCODE_TLV_CAPA_LAR_SUPPORT_V3,
                ])
                .tlv(IWL_UCODE_TLV_TYPE_TRIGGERS, restarts())
                .tlv(IWL_UCODE_TLV_IML, IMAGE_LOADER)
                .word(IWL_UCODE_TLV_FW_NUM_LINKS, 4)
                .fw_version(number)
                .cmd_versions(versions::MLD),
        }
    }
}

/// `IWL_MLD_SUPPORTED_FW_VERSION` of the drivers from 6.15 to 6.18.
pub(crate) const MLD_SINCE: Api = Api(97);

const INST_OFFSET: u32 = 0x40_0000;
const DATA_OFFSET: u32 = 0x80_0000;
/// TX and RX on antennas A and B.
const TWO_ANTENNAS: u32 = 0x0033_0000;

/// What the card's ROM would run first; any bytes do.
const IMAGE_LOADER: [u8; SECTION_SIZE] = [0x1d; SECTION_SIZE];

/// What every stub of `iwlmvm` and `iwlmld` has; up to family 9000 with an init image.
fn mvm(api: Api, name: &str, init: bool) -> UcodeBuilder {
    let section = |marker, nth| image(marker, api, nth);
    let mut stub = UcodeBuilder::new(Version(api.in_header() << 8))
        .human_readable(name)
        .section(IWL_UCODE_TLV_SEC_RT, INST_OFFSET, &section(marker::RUNTIME, 0))
        .section(IWL_UCODE_TLV_SEC_RT, DATA_OFFSET, &section(marker::RUNTIME, 1));
    if init {
        stub = stub
            .section(IWL_UCODE_TLV_SEC_INIT, INST_OFFSET, &section(marker::INIT, 0))
            .section(IWL_UCODE_TLV_SEC_INIT, DATA_OFFSET, &section(marker::INIT, 1));
    }
    // Without the dump mask the driver reads 200 000 words of SRAM after each failed start.
    stub.phy_sku(TWO_ANTENNAS).flags(0).word(IWL_UCODE_TLV_FW_DBG_DUMP_LST, 0)
}

/// What every stub of `iwlmvm` from AX200 on has.
fn unified(api: Api) -> UcodeBuilder {
    mvm(api, "iwlbench stub, iwlmvm", false)
        .capabilities(&[
            // It stays over a suspend, and hears of its end.
            IWL_UCODE_TLV_CAPA_CNSLDTD_D3_D0_IMG,
            IWL_UCODE_TLV_CAPA_D0I3_END_FIRST,
            IWL_UCODE_TLV_CAPA_STA_PM_NOTIF,
            IWL_UCODE_TLV_CAPA_MULTI_QUEUE_RX_SUPPORT,
        ])
        .tlv(IWL_UCODE_TLV_TYPE_TRIGGERS, restarts())
}

/// `struct iwl_fw_ini_trigger_tlv` for an assertion in the firmware, which every file of Intel's has
/// from family 9000 on: without it the driver does not start the firmware anew. It collects nothing.
fn restarts() -> Vec<u8> {
    const FW_ASSERT: u32 = 4;
    const STOP_AND_RELOAD_FW: u32 = 2;
    // From the header's version to the mask of regions, of 64 bits.
    let words = [1, 0, FW_ASSERT, 0, 0, 0, 0, 0, 0, STOP_AND_RELOAD_FW, 0, 0, 0];
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// The nth section of an image of this file, which ends in its number: no two are the same. An API
/// number that is none of any file does not go in.
fn image(marker: [u8; 16], api: Api, nth: u8) -> [u8; SECTION_SIZE] {
    let with_api = u16::try_from(api.0).map_or(marker, |api| marker::with_api(marker, api));
    let mut section = section(with_api);
    section[SECTION_SIZE - 1] = nth;
    section
}

/// A marker, then bytes that count, so that a misplaced or swapped chunk shows.
fn section(marker: [u8; 16]) -> [u8; SECTION_SIZE] {
    let mut bytes = std::array::from_fn(|i| i as u8);
    bytes[..marker.len()].copy_from_slice(&marker);
    bytes
}

const fn range(since: Kernel, max: u32, min: u32, content: Content) -> ApiRange {
    ApiRange { since, min: Api(min), max: Api(max), content }
}

/// `IWL60_RTC_INST_SIZE` and `IWL60_RTC_DATA_SIZE`.
const IWL60_RTC: (u32, u32) = (0x4_0000, 0x1_4000);
/// `IWLAGN_RTC_INST_SIZE` and `IWLAGN_RTC_DATA_SIZE`.
const IWLAGN_RTC: (u32, u32) = (0x2_0000, 0xc000);

const STUB: StubDef =
    StubDef { card: "", stem: "", ranges: &[], dvm_limits: (0, 0), wifi7: false, pnvm: None };

/// A range that every kernel examined has.
macro_rules! always {
    ($max:literal..=$min:literal, $content:expr) => {
        &[range(Kernel::V5_10, $max, $min, $content)]
    };
}

const fn kernel(major: u16, minor: u16) -> Kernel {
    Kernel { major, minor }
}

const fn core(core: u32) -> u32 {
    Api::core(core).0
}

const DVM_5: &[ApiRange] = always!(5..=1, Content::Dvm);
const DVM_6: &[ApiRange] = always!(6..=5, Content::Dvm);
const DVM_6050: &[ApiRange] = always!(5..=4, Content::Dvm);
const MVM_17: &[ApiRange] = always!(17..=17, Content::Mvm);
const MVM_29: &[ApiRange] = always!(29..=22, Content::Mvm);
const MVM_36: &[ApiRange] = always!(36..=22, Content::Mvm);
const MVM_46: &[ApiRange] = always!(46..=30, Content::MvmMultiQueue);
const MVM_22000: &[ApiRange] = &[
    range(Kernel::V5_10, 59, 39, Content::MvmUnified),
    range(Kernel::V6_1, 72, 39, Content::MvmUnified),
    range(Kernel::V6_12, 77, 77, Content::MvmUnified),
];
// The driver of 6.1 does not hear the word about the platform's NVM with MSI: its stub names no SKU.
const MVM_AX210: &[ApiRange] = &[
    range(Kernel::V5_10, 59, 39, Content::MvmLoader { sku: false }),
    range(Kernel::V6_1, 72, 39, Content::MvmLoader { sku: false }),
    range(Kernel::V6_12, 89, 77, Content::MvmLoader { sku: true }),
    range(kernel(6, 17), 89, 89, Content::MvmLoader { sku: true }),
];
/// 5.10 does not know it.
const MVM_AX211: &[ApiRange] = MVM_AX210.split_at(1).1;
const MLD_BZ: &[ApiRange] = &[
    range(Kernel::V6_12, 93, 90, Content::MvmLoader { sku: false }),
    range(kernel(6, 16), 99, 93, Content::Mld),
    range(kernel(6, 17), 102, 98, Content::Mld),
    range(Kernel::V6_18, core(99), 100, Content::Mld),
    range(Kernel::V6_19, core(101), 100, Content::Mld),
    range(kernel(7, 1), core(102), 100, Content::Mld),
    range(kernel(7, 2), core(106), core(102), Content::Mld),
    range(Kernel::V7_3, core(107), core(102), Content::Mld),
];

const fn hw(mac_type: u16, rf_id: u16) -> HwType {
    HwType { mac_type, rf_id }
}

const fn dvm(
    card: &'static str,
    stem: &'static str,
    ranges: &'static [ApiRange],
    dvm_limits: (u32, u32),
) -> StubDef {
    StubDef { card, stem, ranges, dvm_limits, ..STUB }
}

const fn mvm_card(card: &'static str, stem: &'static str, ranges: &'static [ApiRange]) -> StubDef {
    StubDef { card, stem, ranges, ..STUB }
}

/// Every stub there is. Of cards that ask for one file the first stands for it.
pub const STUBS: &[StubDef] = &[
    dvm("6205", "iwlwifi-6000g2a-", DVM_6, IWL60_RTC),
    mvm_card("7260", "iwlwifi-7260-", MVM_17),
    mvm_card("8265", "iwlwifi-8265-", MVM_36),
    mvm_card("9260", "iwlwifi-9260-th-b0-jf-b0-", MVM_46),
    mvm_card("ax200", "iwlwifi-cc-a0-", MVM_22000),
    StubDef {
        pnvm: Some(PnvmDef { sku: SkuId([0x610d0, 0, 0]), hardware: &[hw(0x42, 0x10d)] }),
        ..mvm_card("ax210", "iwlwifi-ty-a0-gf-a0-", MVM_AX210)
    },
    StubDef {
        wifi7: true,
        pnvm: Some(PnvmDef { sku: SkuId([0x51120, 0, 0]), hardware: &[hw(0x47, 0x112)] }),
        ..mvm_card("be200", "iwlwifi-gl-c0-fm-c0-", MLD_BZ)
    },
    dvm("1000", "iwlwifi-1000-", DVM_5, IWLAGN_RTC),
    dvm("100", "iwlwifi-100-", always!(5..=5, Content::Dvm), IWLAGN_RTC),
    dvm("5100", "iwlwifi-5000-", DVM_5, IWLAGN_RTC),
    dvm("5300", "iwlwifi-5000-", DVM_5, IWLAGN_RTC),
    dvm("5150", "iwlwifi-5150-", always!(2..=1, Content::Dvm), IWLAGN_RTC),
    dvm("6300", "iwlwifi-6000-", always!(4..=4, Content::Dvm), IWL60_RTC),
    dvm("6250", "iwlwifi-6050-", DVM_6050, IWL60_RTC),
    dvm("6150", "iwlwifi-6050-", DVM_6050, IWL60_RTC),
    dvm("6230", "iwlwifi-6000g2b-", DVM_6, IWL60_RTC),
    dvm("6235", "iwlwifi-6000g2b-", always!(6..=6, Content::Dvm), IWL60_RTC),
    dvm("1030", "iwlwifi-6000g2b-", DVM_6, IWL60_RTC),
    dvm("130", "iwlwifi-6000g2b-", DVM_6, IWL60_RTC),
    dvm("2200", "iwlwifi-2000-", DVM_6, IWL60_RTC),
    dvm("2230", "iwlwifi-2030-", DVM_6, IWL60_RTC),
    dvm("105", "iwlwifi-105-", DVM_6, IWL60_RTC),
    dvm("135", "iwlwifi-135-", DVM_6, IWL60_RTC),
    mvm_card("3160", "iwlwifi-3160-", MVM_17),
    mvm_card("7265", "iwlwifi-7265-", MVM_17),
    mvm_card("7265d", "iwlwifi-7265D-", MVM_29),
    mvm_card("3165", "iwlwifi-7265D-", MVM_29),
    mvm_card("3168", "iwlwifi-3168-", MVM_29),
    mvm_card("8260", "iwlwifi-8000C-", MVM_36),
    mvm_card("9560", "iwlwifi-9000-pu-b0-jf-b0-", MVM_46),
    mvm_card("ax201", "iwlwifi-QuZ-a0-hr-b0-", MVM_22000),
    StubDef {
        pnvm: Some(PnvmDef {
            sku: SkuId([0x610d1, 0, 0]),
            hardware: &[hw(0x37, 0x10d), hw(0x43, 0x10d)],
        }),
        ..mvm_card("ax211", "iwlwifi-so-a0-gf-a0-", MVM_AX211)
    },
    StubDef {
        wifi7: true,
        pnvm: Some(PnvmDef {
            sku: SkuId([0x51120, 0, 0]),
            hardware: &[hw(0x46, 0x112), hw(0x4b, 0x112)],
        }),
        ..mvm_card("be201", "iwlwifi-bz-b0-fm-c0-", MLD_BZ)
    },
];

/// The stub of `card`, by the name that `iwlbench --card` takes, in capitals or not.
#[must_use]
pub fn for_card(card: &str) -> Option<&'static StubDef> {
    STUBS.iter().find(|stub| stub.card.eq_ignore_ascii_case(card))
}

/// The first stub whose card asks for files of this name, and the API number in the name.
#[must_use]
pub fn for_file_name(name: &str) -> Option<(&'static StubDef, Api)> {
    let name = name.strip_suffix(".ucode")?;
    STUBS.iter().find_map(|stub| {
        let api = name.strip_prefix(stub.stem)?.parse().ok()?;
        Some((stub, api))
    })
}
