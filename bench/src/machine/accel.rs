//! KVM is proven by booting, never assumed.
//!
//! `/dev/kvm` may open, create machines, and still not run a stock kernel: on some nested hosts
//! the guest spins in the decompressor for ever. So the first run of a kernel boots it once under
//! KVM, and the answer is remembered for this host, QEMU and kernel.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::facts::accel::Accel;
use crate::record::digest::sha256_hex;

/// What `--accel` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// KVM if it is proven to run this kernel, else TCG.
    Auto,
    /// KVM, or an error where it does not run this kernel.
    Kvm,
    /// TCG.
    Tcg,
}

/// How long a guest under KVM has to show its agent, on a machine that is not slow. It takes one or
/// two seconds where KVM works.
pub const PROOF_WITHIN: Duration = Duration::from_secs(15);

/// What KVM was seen to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// It ran the kernel.
    pub works: bool,
    /// One phrase.
    pub why: String,
    /// The kernel's release; older benches did not keep it.
    #[serde(default)]
    pub kernel: String,
    /// The host's kernel and CPU.
    #[serde(default)]
    host: String,
}

/// The place where a proof is remembered.
#[derive(Debug, Clone)]
pub struct Memory {
    file: PathBuf,
    kernel: String,
}

/// This host: its kernel and CPU.
fn host() -> String {
    format!("{}|{}", rustix::system::uname().release().to_string_lossy(), host_cpu())
}

/// What was found out about KVM on this host, by the kernels' releases.
pub fn proofs(cache: &Path) -> Vec<Proof> {
    let files = std::fs::read_dir(cache.join("kvm")).into_iter().flatten().flatten();
    let proof = |path| serde_json::from_slice::<Proof>(&std::fs::read(path).ok()?).ok();
    let all = files.filter_map(|entry| proof(entry.path()));
    let mut proofs: Vec<_> =
        all.filter(|proof| proof.host == host() && !proof.kernel.is_empty()).collect();
    proofs.sort_by(|a, b| a.kernel.cmp(&b.kernel));
    proofs
}

impl Memory {
    /// For this host (kernel and CPU), QEMU and guest kernel.
    pub fn new(cache: &Path, qemu: (u32, u32, u32), guest_release: &str) -> Memory {
        let (major, minor, micro) = qemu;
        let key = format!("{}|{major}.{minor}.{micro}|{guest_release}", host());
        Memory {
            file: cache.join("kvm").join(format!("{}.json", sha256_hex(key.as_bytes()))),
            kernel: guest_release.to_owned(),
        }
    }

    fn recall(&self) -> Option<Proof> {
        serde_json::from_slice(&std::fs::read(&self.file).ok()?).ok()
    }

    fn remember(&self, proof: &Proof) -> anyhow::Result<()> {
        let dir = self.file.parent().context("no parent")?;
        fs::create_dir_all(dir)?;
        fs::write(&self.file, serde_json::to_vec(proof)?)?;
        Ok(())
    }
}

/// The host's CPU, in a line.
pub fn host_cpu() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    cpu.lines().find(|l| l.starts_with("model name")).unwrap_or_default().to_owned()
}

/// What was decided, and why, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// KVM or TCG.
    pub accel: Accel,
    /// One phrase.
    pub why: String,
}

/// The device that KVM is reached through.
pub const DEV_KVM: &str = "/dev/kvm";

/// Decides. `boots` boots the guest once under KVM and says `Ok(())` if its agent came up; it is told
/// why that did not, if it was tried before.
///
/// # Errors
/// KVM is wanted, and does not run this kernel; else as `boots`' outer ones: the user interrupted, or
/// QEMU could not be started at all.
pub fn decide(
    choice: Choice,
    device: &Path,
    memory: &Memory,
    boots: impl FnOnce(Option<&str>) -> anyhow::Result<Result<(), String>>,
) -> anyhow::Result<Decision> {
    let decision = |accel, why: &str| Decision { accel, why: why.to_owned() };
    let insists = match choice {
        Choice::Kvm => true,
        Choice::Tcg => return Ok(decision(Accel::Tcg, "as --accel says")),
        Choice::Auto => false,
    };
    let cannot = |why: &str| {
        anyhow::anyhow!("--accel kvm: {why}; leave --accel away, and TCG runs the guests")
    };
    if let Err(error) = std::fs::File::options().read(true).write(true).open(device) {
        let why = format!("{} cannot be opened: {error}", device.display());
        return if insists { Err(cannot(&why)) } else { Ok(decision(Accel::Tcg, &why)) };
    }
    let proof = match memory.recall() {
        Some(proof) if !proof.kernel.is_empty() && (proof.works || !insists) => proof,
        known => {
            let (works, why) = match known {
                Some(proof) if proof.works || !insists => (proof.works, proof.why),
                // Whoever insists may have mended what was in the way.
                failed => match boots(failed.as_ref().map(|proof| proof.why.as_str()))? {
                    Ok(()) => (true, "proven by booting this kernel".to_owned()),
                    Err(why) => (false, why),
                },
            };
            let proof = Proof { works, why, kernel: memory.kernel.clone(), host: host() };
            memory.remember(&proof)?;
            proof
        }
    };
    match proof.works {
        true => Ok(Decision { accel: Accel::Kvm, why: proof.why }),
        false if insists => Err(cannot(&proof.why)),
        false => Ok(Decision { accel: Accel::Tcg, why: proof.why }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Host {
        dir: tempfile::TempDir,
        kvm: PathBuf,
    }

    fn host() -> Host {
        let dir = tempfile::tempdir().expect("temporary directory");
        let kvm = dir.path().join("kvm-device");
        std::fs::write(&kvm, "").expect("written");
        Host { dir, kvm }
    }

    #[test]
    fn a_proof_is_made_once_and_remembered() {
        let host = host();
        let memory = Memory::new(host.dir.path(), (11, 1, 3), "7.3.4");
        let first = decide(Choice::Auto, &host.kvm, &memory, |_| Ok(Err("it spins".to_owned())));
        assert_eq!(first.expect("decides").accel, Accel::Tcg);
        let again = decide(Choice::Auto, &host.kvm, &memory, |_| panic!("must not be asked again"));
        assert_eq!(again.expect("decides").why, "it spins");
        // Another kernel is another question.
        let other = Memory::new(host.dir.path(), (11, 1, 3), "6.1.0");
        let other = decide(Choice::Auto, &host.kvm, &other, |_| Ok(Ok(())));
        assert_eq!(other.expect("decides").accel, Accel::Kvm);
    }

    #[test]
    fn nothing_is_remembered_of_an_interrupted_proof() {
        let host = host();
        let memory = Memory::new(host.dir.path(), (11, 1, 3), "7.3.4");
        let first = decide(Choice::Auto, &host.kvm, &memory, |_| anyhow::bail!("interrupted"));
        assert!(first.is_err());
        let again = decide(Choice::Auto, &host.kvm, &memory, |_| Ok(Ok(())));
        assert_eq!(again.expect("decides").accel, Accel::Kvm);
    }

    #[test]
    fn the_user_or_an_absent_device_decides_without_a_proof() {
        let host = host();
        let memory = Memory::new(host.dir.path(), (11, 1, 3), "7.3.4");
        let absent = host.dir.path().join("absent");
        for (choice, device) in [(Choice::Tcg, &host.kvm), (Choice::Auto, &absent)] {
            let decision = decide(choice, device, &memory, |_| panic!("must not be asked"));
            assert_eq!(decision.expect("decides").accel, Accel::Tcg);
        }
        let decision = decide(Choice::Kvm, &absent, &memory, |_| panic!("must not be asked"));
        let why = decision.expect_err("there is none").to_string();
        assert!(why.contains("absent cannot be opened"), "{why}");
    }

    /// Whoever insists on KVM gets it or is told within a proof's time; where it is known to fail, that
    /// is looked at anew.
    #[test]
    fn kvm_that_is_insisted_on_is_proven_too() {
        let host = host();
        let memory = Memory::new(host.dir.path(), (11, 1, 3), "7.3.4");
        for before in [None, Some("it spins")] {
            let mut asked = false;
            let decision = decide(Choice::Kvm, &host.kvm, &memory, |known| {
                asked = true;
                assert_eq!(known, before);
                Ok(Err("it spins".to_owned()))
            });
            let why = decision.expect_err("not with KVM").to_string();
            assert!(asked && why.starts_with("--accel kvm: it spins; leave"), "{why}");
        }
        let mended = decide(Choice::Kvm, &host.kvm, &memory, |_| Ok(Ok(())));
        assert_eq!(mended.expect("decides").accel, Accel::Kvm);
        let again = decide(Choice::Kvm, &host.kvm, &memory, |_| panic!("must not be asked again"));
        assert_eq!(again.expect("decides").accel, Accel::Kvm);
    }
}
