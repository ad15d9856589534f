//! The kernel that is meant, the driver that it is to run, and the image made of both.

use std::path::{Path, PathBuf};

use guest_kit::{
    DriverSource, ImageSpec, Kernel, KernelSelector, Kit, KitError, OwnModule, Variant, module_name,
};

use crate::facts::driver::{Choice, DRIVERS, Driver, IWLWIFI_BUILT_IN, Origin};
use crate::facts::failure::BadUsage;
use crate::facts::near;
use crate::script::scenario;

/// The guest agent, a static program.
pub const AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guest-agent"));

/// What the agent needs, to talk to the bench and to hold the loaders.
const BENCH_MODULES: [&str; 3] = ["virtio_pci", "virtio_console", "fuse"];

/// Modules that a guest may want; a kernel that has one built in needs it not.
pub(super) fn modules(driver: &Driver) -> Vec<&'static str> {
    // What is loaded unless a scenario says else, though not every driver depends on it.
    driver.modules().chain([scenario::Guest::LOADED]).chain(BENCH_MODULES).collect()
}

/// Without these there is nothing to test.
pub(super) fn required(driver: &Driver) -> Vec<&'static str> {
    [driver.module].into_iter().chain(BENCH_MODULES).collect()
}

/// Which kernel `--kdir`, or `--kernel` and `--modules`, mean.
///
/// # Errors
/// Bad usage.
pub fn kernel_selector(
    kernel: &str,
    modules: Option<&Path>,
    tree: Option<&Path>,
) -> anyhow::Result<KernelSelector> {
    if let Some(tree) = tree {
        return Ok(KernelSelector::Tree(tree.to_owned()));
    }
    match modules {
        Some(_) if !kernel.contains('/') && !Path::new(kernel).is_file() => {
            anyhow::bail!(
                "--modules goes with a kernel that is a file: there is no bzImage `{kernel}` (--kernel)"
            )
        }
        Some(modules) => Ok(KernelSelector::Files {
            bzimage: PathBuf::from(kernel),
            modules: modules.to_owned(),
        }),
        None if kernel.contains('/') || Path::new(kernel).exists() => {
            let path = Path::new(kernel);
            anyhow::bail!(match (path.is_file(), guest_kit::is_bzimage(path)) {
                (false, _) => format!("--kernel {kernel}: there is no such file"),
                (true, false) => format!(
                    "--kernel {kernel} is no bzImage; name a version, like 6.12, or a bzImage and \
                     with --modules DIR its modules"
                ),
                (true, true) => format!(
                    "--kernel {kernel} is a file: say with --modules DIR where its modules are, \
                     …/lib/modules/RELEASE"
                ),
            })
        }
        None if kernel.contains(',') => {
            anyhow::bail!("`{kernel}` are several kernels, which `iwlbench matrix` plays")
        }
        None => Ok(kernel.parse()?),
    }
}

/// Refuses a driver that is none of a kernel's, as far as the kernel's name tells: before anything is
/// fetched.
///
/// # Errors
/// It is none.
pub fn check_driver(kernel: &KernelSelector, choice: &'static Choice) -> Result<(), BadUsage> {
    match kernel {
        KernelSelector::Version(version) => match version.parse() {
            Ok(kernel) => choice.driver(kernel).map(drop).map_err(BadUsage),
            Err(_) => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The driver that a choice is in a kernel, and its modules as far as they are not the package's own.
///
/// # Errors
/// It is none for this kernel, or cannot be built.
pub fn driver_of(
    kit: &Kit,
    kernel: &Kernel,
    choice: &'static Choice,
) -> anyhow::Result<(&'static Driver, Vec<OwnModule>)> {
    let driver = choice.driver(kernel.release.parse()?).map_err(BadUsage)?;
    let name = choice.name();
    let modules = match choice.origin {
        Origin::Package if is_built_in(kernel, driver)? => {
            return Ok((&IWLWIFI_BUILT_IN, Vec::new()));
        }
        Origin::Package => Vec::new(),
        Origin::Changed(patch) => vec![kit.build_variant(kernel, &Variant { name, patch })?],
        Origin::Ours { files, patch } => {
            let modules: Vec<_> = driver.modules().collect();
            kit.build_driver(kernel, &DriverSource { name, files, patch, modules: &modules })?
        }
    };
    Ok((driver, modules))
}

/// Whether the kernel itself holds a driver, and what that hands over to.
fn is_built_in(kernel: &Kernel, driver: &Driver) -> Result<bool, KitError> {
    let held = |module: &str| kernel.has_built_in(module);
    Ok(held(driver.module)?
        && driver
            .opmodes
            .iter()
            .map(|o| held(o.module))
            .collect::<Result<Vec<_>, _>>()?
            .contains(&true))
}

pub(super) fn image_spec<'a>(
    kernel: &'a Kernel,
    modules: &'a [&'a str],
    required: &'a [&'a str],
    without: &'a [String],
) -> ImageSpec<'a> {
    let (replace, with, extra) = (&[][..], &[][..], &[][..]);
    ImageSpec { kernel, agent: AGENT, modules, required, without, replace, with, extra }
}

/// Builds the guest's image with the agent and the usual modules.
///
/// # Errors
/// As the kit's.
pub fn build_image(
    kit: &Kit,
    kernel: &Kernel,
    driver: &Driver,
    replace: &[OwnModule],
    without: &[String],
    with: &[String],
) -> Result<guest_kit::Image, KitError> {
    kit.build_image(&ImageSpec {
        replace,
        with,
        ..image_spec(kernel, &modules(driver), &required(driver), without)
    })
}

/// The modules of a run's image.
pub(super) struct Modules<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) image: &'a guest_kit::Image,
    pub(super) without: &'a [String],
}

impl Modules<'_> {
    /// Whether a module that `place` names is there: one that is not was misspelt, or nothing in the image
    /// needs it. Of one that is left out on purpose, or of another driver's, the run tells.
    pub(super) fn have(&self, place: &str, name: &str) -> anyhow::Result<()> {
        let module = module_name(name);
        let there = self.image.modules.iter().map(|module| &module.name).chain(&self.image.builtin);
        let of_drivers = || DRIVERS.iter().flat_map(|driver| driver.modules());
        if there.clone().any(|there| *there == module)
            || self.without.iter().any(|out| module_name(out) == module)
            || of_drivers().any(|known| known == module)
            || self.kernel.has_built_in(&module)?
        {
            return Ok(());
        }
        let known: Vec<String> = there.cloned().chain(of_drivers().map(str::to_owned)).collect();
        let meant = near::meant(&module, known.iter().map(String::as_str));
        let what = format!(
            "{place}: there is no module {name} in the guest's image; `--module FILE.ko` takes one of \
             your own into it, `--with {name}` one of the kernel's{meant}"
        );
        Err(BadUsage(what).into())
    }
}
