//! A private apt: its own configuration, lists and archives below the cache,
//! an empty dpkg status, and Debian's keys. Of the machine's configuration it
//! takes how to reach the network (proxies, certificates), never its hooks
//! nor its leave to skip verification.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::cache::{CacheDir, Guard};
use crate::control::{Stanza, dependency_names, stanzas};
use crate::error::{At, KitError};
use crate::hash::sha256_file;
use crate::progress::Progress;
use crate::tool::{APT_CACHE, APT_CONFIG, APT_GET, APT_HELPER, Finished, Tool};

/// Options of the machine's apt that are ours too, by prefix.
const NETWORK_OPTIONS: [&str; 8] = [
    "Acquire::http::",
    "Acquire::https::",
    "Acquire::ForceIPv4",
    "Acquire::ForceIPv6",
    // A machine with a frozen clock or a frozen mirror says so here.
    "Acquire::Check-Date",
    "Acquire::Check-Valid-Until",
    "Acquire::Max-ValidTime",
    "Acquire::Min-ValidTime",
];

const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
];

/// A package of the archive as apt knows it.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) package: Package,
    architecture: String,
    pub(crate) size: u64,
    library: bool,
    depends: Vec<String>,
    provides: Vec<String>,
}

/// A package that was fetched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// Name, e.g. `qemu-system-x86`.
    pub name: String,
    /// Debian version, e.g. `1:11.1.3+ds-1~bpo13+1`.
    pub version: String,
    /// SHA-256 of the `.deb`, in hex, as signed by the archive.
    pub sha256: String,
    /// The archive's signed index no longer lists it: its pool alone gave it, so the digest is
    /// nobody's word. What of it a guest runs has to prove itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unlisted: bool,
}

impl Candidate {
    fn parse(stanza: &Stanza) -> Option<Self> {
        let names = |field| {
            let field = stanza.get(field).unwrap_or_default();
            dependency_names(field).map(str::to_owned).collect::<Vec<_>>()
        };
        let mut depends = names("Pre-Depends");
        depends.extend(names("Depends"));
        Some(Self {
            package: Package {
                name: stanza.get("Package")?.to_owned(),
                version: stanza.get("Version")?.to_owned(),
                sha256: stanza.get("SHA256")?.to_owned(),
                unlisted: false,
            },
            architecture: stanza.get("Architecture")?.to_owned(),
            size: stanza.get("Size")?.parse().ok()?,
            library: matches!(stanza.get("Section"), Some("libs" | "oldlibs")),
            depends,
            provides: names("Provides"),
        })
    }

    /// Names of the packages it depends on.
    pub(crate) fn depends(&self) -> &[String] {
        &self.depends
    }

    /// The name that `apt-get download` gives the file.
    fn file_name(&self) -> String {
        let Package { name, version, .. } = &self.package;
        format!("{name}_{}_{}.deb", version.replace(':', "%3a"), self.architecture)
    }
}

/// Of a resolved set, the roots and what they reach through libraries alone:
/// programs' configuration (adduser, systemd) is for installing, not for running.
fn library_closure(resolved: &[Candidate], roots: &[&str]) -> Vec<Candidate> {
    let mut by_name: BTreeMap<&str, &Candidate> = BTreeMap::new();
    for candidate in resolved {
        for name in &candidate.provides {
            by_name.entry(name).or_insert(candidate);
        }
    }
    // A real package goes before one that only provides the name.
    by_name.extend(resolved.iter().map(|candidate| (candidate.package.name.as_str(), candidate)));

    let mut taken: BTreeMap<&str, &Candidate> = BTreeMap::new();
    let mut queue: VecDeque<&Candidate> =
        roots.iter().filter_map(|root| by_name.get(root).copied()).collect();
    while let Some(candidate) = queue.pop_front() {
        if taken.insert(&candidate.package.name, candidate).is_none() {
            let libraries = candidate.depends.iter().filter_map(|name| by_name.get(name.as_str()));
            queue.extend(libraries.filter(|library| library.library).copied());
        }
    }
    taken.into_values().cloned().collect()
}

/// A part of each suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Component {
    /// What is free.
    Main,
    /// Firmware that is not, from bookworm on.
    NonFreeFirmware,
    /// Where that was before.
    NonFree,
}

impl Component {
    fn word(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::NonFreeFirmware => "non-free-firmware",
            Self::NonFree => "non-free",
        }
    }
}

/// The private apt over some suites, under the cache's lock.
pub(crate) struct Apt<'a> {
    dir: PathBuf,
    mirror: String,
    keyring: PathBuf,
    suites: &'a [&'a str],
    component: Component,
    guard: &'a Guard,
    progress: &'a dyn Progress,
}

impl<'a> Apt<'a> {
    /// Writes the configuration.
    pub(crate) fn open(
        cache: &CacheDir,
        guard: &'a Guard,
        mirror: &str,
        (suites, component): (&'a [&'a str], Component),
        progress: &'a dyn Progress,
    ) -> Result<Self, KitError> {
        let keyring = KEYRINGS
            .iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
            .ok_or(KitError::NoKeyring)?;
        let dir = cache.join("apt");
        for sub in ["state", "lists/partial", "archives/partial", "sources"] {
            let sub = dir.join(sub);
            fs::create_dir_all(&sub).at(&sub)?;
        }
        let mirror = mirror.to_owned();
        let apt = Self { dir, mirror, keyring, suites, component, guard, progress };
        guard.write(&apt.dir.join("status"), b"")?;
        guard.write(&apt.dir.join("apt.conf"), apt.config(&network_options()?).as_bytes())?;
        guard.write(&apt.sources(), apt.sources_list().as_bytes())?;
        Ok(apt)
    }

    /// Each set of suites has its own sources; they share the lists.
    fn sources(&self) -> PathBuf {
        self.dir.join("sources").join(format!("{}.list", self.key()))
    }

    /// Names what it looks at.
    pub(crate) fn key(&self) -> String {
        match self.component {
            Component::Main => self.suites.join("+"),
            other => format!("{}.{}", self.suites.join("+"), other.word()),
        }
    }

    fn sources_list(&self) -> String {
        let mut text = String::new();
        for suite in self.suites {
            let keyring = self.keyring.display();
            let mirror = &self.mirror;
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "deb [arch=amd64 signed-by={keyring}] {mirror} {suite} {}",
                self.component.word()
            );
        }
        text
    }

    fn config(&self, network: &str) -> String {
        let dir = self.dir.display();
        format!(
            "# Written by iwlbench.\n\
             // No other configuration: its hooks are for the machine's own packages.\n\
             Dir::Etc::main \"/dev/null\";\n\
             Dir::Etc::parts \"/dev/null\";\n\
             Dir::Etc::sourceparts \"/dev/null\";\n\
             Dir::Etc::preferences \"/dev/null\";\n\
             Dir::Etc::preferencesparts \"/dev/null\";\n\
             Dir::State \"{dir}/state\";\n\
             Dir::State::lists \"{dir}/lists\";\n\
             // Nothing is installed here, so every dependency is resolved anew.\n\
             Dir::State::status \"{dir}/status\";\n\
             Dir::Cache \"{dir}\";\n\
             Dir::Cache::archives \"{dir}/archives\";\n\
             APT::Architecture \"amd64\";\n\
             APT::Architectures \"amd64\";\n\
             APT::Install-Recommends \"false\";\n\
             APT::Get::AllowUnauthenticated \"false\";\n\
             APT::Get::List-Cleanup \"false\";\n\
             // The user \"_apt\" cannot write below a home directory.\n\
             APT::Sandbox::User \"root\";\n\
             APT::Update::Error-Mode \"any\";\n\
             Acquire::Languages \"none\";\n\
             Acquire::GzipIndexes \"true\";\n\
             Acquire::Retries \"3\";\n\
             Acquire::http::Timeout \"30\";\n\
             Acquire::https::Timeout \"30\";\n\
             {network}"
        )
    }

    fn tool(&self, tool: &Tool) -> Result<Command, KitError> {
        let mut command = tool.command();
        command
            .stdin(self.guard.stdin()?)
            .env("APT_CONFIG", self.dir.join("apt.conf"))
            .arg("-o")
            .arg(format!("Dir::Etc::sourcelist={}", self.sources().display()));
        Ok(command)
    }

    /// Why apt failed, in our words.
    fn failure(&self, tool: &Tool, end: &Finished) -> KitError {
        let line = |marks: &[&str]| {
            let found = end.stderr.lines().find(|line| marks.iter().any(|m| line.contains(m)))?;
            Some(found.trim_start_matches("E: ").trim_start_matches("W: ").trim().to_owned())
        };
        let mirror = self.mirror.clone();
        if end.disk_full() {
            KitError::DiskFull { path: self.dir.clone() }
        } else if let Some(detail) = line(&["NO_PUBKEY", "EXPKEYSIG", "Missing key"]) {
            KitError::Untrusted { keyring: self.keyring.clone(), mirror, detail }
        } else if line(&["does not have a Release file"]).is_some() {
            KitError::NoSuite { mirror, suites: self.suites.join(", ") }
        } else if let Some(detail) = line(&["Failed to fetch"]) {
            KitError::Mirror { mirror, detail }
        } else {
            KitError::ToolFailed { tool: tool.name.to_owned(), detail: end.detail() }
        }
    }

    /// Brings the suites' lists up to date.
    pub(crate) fn update(&self) -> Result<(), KitError> {
        self.progress.step("reading the archive's package lists");
        let mut command = self.tool(&APT_GET)?;
        let end = APT_GET.fetch(command.args(["-q", "update"]), &self.dir, |_| ());
        self.progress.finish();
        let end = end?;
        // Before 2.5.3, apt calls an update that failed to fetch a success.
        if end.success && !end.stderr.contains("Failed to fetch") {
            Ok(())
        } else {
            Err(self.failure(&APT_GET, &end))
        }
    }

    /// Standard output of an apt tool that must succeed.
    fn query(&self, tool: &Tool, args: &[&str]) -> Result<String, KitError> {
        let mut out = String::new();
        let end = tool.run(self.tool(tool)?.args(args), |line| {
            out.push_str(line);
            out.push('\n');
        })?;
        if end.success { Ok(out) } else { Err(self.failure(tool, &end)) }
    }

    /// All package names that begin so, also those that are only referred to.
    pub(crate) fn names(&self, prefix: &str) -> Result<BTreeSet<String>, KitError> {
        let out = self.query(&APT_CACHE, &["pkgnames", prefix])?;
        Ok(out.lines().map(str::to_owned).collect())
    }

    /// The candidate version of a package.
    pub(crate) fn candidate(&self, name: &str) -> Result<Option<Candidate>, KitError> {
        let mut command = self.tool(&APT_CACHE)?;
        let mut out = String::new();
        let end = APT_CACHE.run(command.args(["show", "--no-all-versions", name]), |line| {
            out.push_str(line);
            out.push('\n');
        })?;
        if end.success {
            Ok(stanzas(&out).iter().find_map(Candidate::parse))
        } else if end.stderr.contains("No packages found") {
            Ok(None)
        } else {
            Err(self.failure(&APT_CACHE, &end))
        }
    }

    /// Those of these packages that have a candidate version.
    pub(crate) fn candidates(&self, names: &[String]) -> Result<Vec<Candidate>, KitError> {
        // An apt-cache takes longer to start than to look.
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = self.tool(&APT_CACHE)?;
        let mut out = String::new();
        command.args(["show", "--no-all-versions"]).args(names);
        let end = APT_CACHE.run(&mut command, |line| {
            out.push_str(line);
            out.push('\n');
        })?;
        if end.success || end.stderr.contains("No packages found") {
            Ok(stanzas(&out).iter().filter_map(Candidate::parse).collect())
        } else {
            Err(self.failure(&APT_CACHE, &end))
        }
    }

    /// Fetches a package that a listed one depends on and that the index has dropped: the pool
    /// keeps a superseded source's packages as long as a signed one was built using it. `None` if
    /// the pool has dropped it too.
    pub(crate) fn out_of_pool(
        &self,
        source: &str,
        name: &str,
        version: &str,
    ) -> Result<Option<Candidate>, KitError> {
        // A file's name has no epoch in the pool (Debian policy 5.6.12), and one in `archives`.
        let plain = version.split_once(':').map_or(version, |(_, plain)| plain);
        let section = if source.starts_with("lib") { &source[..4] } else { &source[..1] };
        let uri = format!(
            "{}/pool/main/{section}/{source}/{name}_{plain}_amd64.deb",
            self.mirror.trim_end_matches('/')
        );
        let scratch = self.guard.scratch_dir()?;
        let file = scratch.path().join("deb");
        self.progress.step(&format!("fetching {name} from the archive's pool"));
        let mut command = self.tool(&APT_HELPER)?;
        command.arg("download-file").arg(&uri).arg(&file);
        let end = APT_HELPER.fetch(&mut command, scratch.path(), |_| ());
        self.progress.finish();
        let end = end?;
        if !end.success {
            let gone = end.stderr.contains("404") || end.stderr.contains("File not found");
            return if gone { Ok(None) } else { Err(self.failure(&APT_HELPER, &end)) };
        }
        let candidate = Candidate {
            package: Package {
                name: name.to_owned(),
                version: version.to_owned(),
                sha256: sha256_file(&file)?,
                unlisted: true,
            },
            architecture: "amd64".to_owned(),
            size: fs::metadata(&file).at(&file)?.len(),
            library: false,
            depends: Vec::new(),
            provides: Vec::new(),
        };
        // Where a listed one would lie.
        let place = self.dir.join("archives").join(candidate.file_name());
        fs::rename(&file, &place).at(&place)?;
        Ok(Some(candidate))
    }

    /// As [`Self::candidate`], but the package must exist.
    pub(crate) fn require(&self, name: &str) -> Result<Candidate, KitError> {
        self.candidate(name)?.ok_or_else(|| self.no_package(name))
    }

    /// Neither the suites nor the pool have it.
    pub(crate) fn no_package(&self, name: &str) -> KitError {
        KitError::NoPackage {
            package: name.to_owned(),
            suites: self.suites.join(", "),
            mirror: self.mirror.clone(),
        }
    }

    /// The roots and the libraries they need, in the versions that apt would
    /// install together, preferring the suite `target`.
    pub(crate) fn resolve(
        &self,
        target: Option<&str>,
        roots: &[&str],
    ) -> Result<Vec<Candidate>, KitError> {
        Ok(library_closure(&self.resolve_all(target, roots)?, roots))
    }

    /// The roots and all that they depend on, programs too.
    pub(crate) fn resolve_all(
        &self,
        target: Option<&str>,
        roots: &[&str],
    ) -> Result<Vec<Candidate>, KitError> {
        self.progress.step("choosing packages");
        let resolved = self.installable(target, roots);
        self.progress.finish();
        let resolved = resolved?;
        for root in roots {
            if !resolved.iter().any(|candidate| candidate.package.name == *root) {
                return Err(self.no_package(root));
            }
        }
        Ok(resolved)
    }

    /// All that apt would install with the roots.
    fn installable(
        &self,
        target: Option<&str>,
        roots: &[&str],
    ) -> Result<Vec<Candidate>, KitError> {
        let mut args = vec!["-qq", "-y", "--simulate", "--no-install-recommends"];
        args.extend(target.map(|suite| ["-t", suite]).into_iter().flatten());
        args.push("install");
        args.extend(roots);
        let plan = self.query(&APT_GET, &args)?;
        let versions: Vec<String> = plan.lines().filter_map(planned).collect();
        let mut args = vec!["show"];
        args.extend(versions.iter().map(String::as_str));
        let stanzas = stanzas(&self.query(&APT_CACHE, &args)?);
        Ok(stanzas.iter().filter_map(Candidate::parse).collect())
    }

    /// Downloads the packages, taking up where an earlier run was cut off.
    /// Returns the files in the same order.
    pub(crate) fn download(&self, packages: &[Candidate]) -> Result<Vec<PathBuf>, KitError> {
        let archives = self.dir.join("archives");
        let files: Vec<_> = packages.iter().map(|p| archives.join(p.file_name())).collect();
        let mut missing = Vec::new();
        for (candidate, file) in packages.iter().zip(&files) {
            let length = fs::metadata(file).map_or(0, |metadata| metadata.len());
            if length >= candidate.size && !verified(candidate, file)? {
                fs::remove_file(file).at(file)?;
            } else if length == candidate.size {
                continue;
            }
            missing.push(candidate);
        }
        if missing.is_empty() {
            return Ok(files);
        }
        let total = missing.iter().map(|candidate| candidate.size).sum();
        let mut command = self.tool(&APT_GET)?;
        command.current_dir(&archives).args(["-q", "-o", "APT::Status-Fd=1", "download"]);
        command.args(missing.iter().map(|c| format!("{}={}", c.package.name, c.package.version)));
        let end = APT_GET.fetch(&mut command, &archives, |line| {
            if let Some(done) = downloaded(line, total) {
                self.progress.bytes(done, total);
            }
        })?;
        if !end.success {
            return Err(self.failure(&APT_GET, &end));
        }
        for (candidate, file) in packages.iter().zip(&files) {
            if !verified(candidate, file)? {
                fs::remove_file(file).at(file)?;
                let detail = format!("{} arrived damaged", candidate.file_name());
                return Err(KitError::Mirror { mirror: self.mirror.clone(), detail });
            }
        }
        Ok(files)
    }
}

fn verified(candidate: &Candidate, file: &Path) -> Result<bool, KitError> {
    Ok(sha256_file(file)? == candidate.package.sha256)
}

/// `name=version` of a line of `apt-get --simulate`: `Inst NAME (VERSION …`.
fn planned(line: &str) -> Option<String> {
    let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
    // An upgrade would have the old version in brackets first.
    let version = rest.split_once('(')?.1.split(' ').next()?;
    Some(format!("{name}={version}"))
}

/// Bytes done, from a line `dlstatus:<item>:<percent>:<text>` of apt's status.
fn downloaded(line: &str, total: u64) -> Option<u64> {
    let percent: f64 = line.strip_prefix("dlstatus:")?.split(':').nth(1)?.parse().ok()?;
    Some((total as f64 * (percent / 100.0).clamp(0.0, 1.0)) as u64)
}

/// How the machine's apt reaches the network, as lines for apt.conf.
fn network_options() -> Result<String, KitError> {
    let mut options = String::new();
    let end = APT_CONFIG.run(APT_CONFIG.command().arg("dump"), |line| {
        if NETWORK_OPTIONS.iter().any(|prefix| line.starts_with(prefix)) {
            options.push_str(line);
            options.push('\n');
        }
    })?;
    if end.success {
        Ok(options)
    } else {
        Err(KitError::ToolFailed { tool: APT_CONFIG.name.to_owned(), detail: end.detail() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, section: &str, depends: &str, provides: &str) -> Candidate {
        let text = format!(
            "Package: {name}\nVersion: 1:2-3\nArchitecture: amd64\nSize: 7\nSHA256: 00\n\
             Section: {section}\nDepends: {depends}\nProvides: {provides}\n"
        );
        Candidate::parse(&stanzas(&text)[0]).unwrap()
    }

    #[test]
    fn only_libraries_follow_the_roots() {
        let resolved = [
            candidate("qemu", "otherosfs", "liba (>= 1), systemd, data", ""),
            candidate("liba", "libs", "libb | libz, virtual-c", ""),
            candidate("libb", "libs", "liba", ""),
            candidate("libc-real", "libs", "", "virtual-c (= 1)"),
            candidate("systemd", "admin", "libonly-systemd", ""),
            candidate("libonly-systemd", "libs", "", ""),
            candidate("data", "otherosfs", "", ""),
        ];
        let names = |roots: &[&str]| {
            let taken = library_closure(&resolved, roots);
            taken.into_iter().map(|candidate| candidate.package.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&["qemu"]), ["liba", "libb", "libc-real", "qemu"]);
        assert_eq!(names(&["qemu", "data"]), ["data", "liba", "libb", "libc-real", "qemu"]);
    }

    #[test]
    fn a_real_package_goes_before_a_provider() {
        let resolved = [
            candidate("root", "x", "libx", ""),
            candidate("impostor", "libs", "", "libx"),
            candidate("libx", "libs", "", ""),
        ];
        let names: Vec<_> = library_closure(&resolved, &["root"])
            .into_iter()
            .map(|candidate| candidate.package.name)
            .collect();
        assert_eq!(names, ["libx", "root"]);
    }

    #[test]
    fn file_names_are_apts() {
        assert_eq!(candidate("a", "x", "", "").file_name(), "a_1%3a2-3_amd64.deb");
    }

    #[test]
    fn apts_plan_and_progress_lines() {
        let line = "Inst libc6 (2.41-12+deb13u4 Debian:13.7/stable [amd64]) []";
        assert_eq!(planned(line).as_deref(), Some("libc6=2.41-12+deb13u4"));
        assert_eq!(planned("Inst a [1.0] (2.0 Debian)").as_deref(), Some("a=2.0"));
        assert_eq!(planned("Conf libc6 (2.41 Debian)"), None);
        assert_eq!(downloaded("dlstatus:1:25.0000:Retrieving file 1 of 1", 1000), Some(250));
        assert_eq!(downloaded("dlstatus:1:900:x", 1000), Some(1000));
        assert_eq!(downloaded("Get:1 http://host", 1000), None);
    }
}
