//! Which Debian archive to fetch from: the one that the machine's apt
//! configuration names. See sources.list(5).

use std::fs;
use std::path::Path;

use crate::control::stanzas;
use crate::error::KitError;

/// Suites of the Debian archive by any of their names, without `-updates` and
/// the like. A third party's suites are rarely called so and in `main`.
const SUITES: [&str; 14] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
    "rc-buggy",
    "experimental",
    "buster",
];

/// One URI of an apt sources entry.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    uri: String,
    suite: String,
    components: Vec<String>,
    signed_by: Option<String>,
}

impl Source {
    /// How sure we are that this is the Debian archive: `None` is not at all.
    fn rank(&self) -> Option<u8> {
        let suite = self.suite.split(['-', '/']).next().unwrap_or_default();
        let path = self.uri.trim_end_matches('/').trim_end_matches(".list");
        // …/debian on a mirror; …/debian/20260101T000000Z of a snapshot.
        let named_debian = path.rsplit('/').take(2).any(|part| part == "debian");
        let security = self.suite.contains("security") || self.uri.contains("security");
        let main = self.components.iter().any(|component| component == "main");
        if !SUITES.contains(&suite) || !named_debian || security || !main {
            return None;
        }
        if self.uri.starts_with("cdrom:") {
            return None;
        }
        match &self.signed_by {
            Some(key) if key.contains("debian-archive") => Some(2),
            // Signed by a key of its own: somebody else's archive.
            Some(_) => None,
            None => Some(1),
        }
    }
}

/// Sources of a one-line-style file.
fn one_line(text: &str) -> Vec<Source> {
    let mut all = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(rest) = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t', '[']))
        else {
            continue;
        };
        let rest = rest.trim_start();
        let (options, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some(split) => split,
            None => ("", rest),
        };
        let signed_by = options
            .split_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="))
            .map(str::to_owned);
        let mut words = rest.split_whitespace().map(str::to_owned);
        let (Some(uri), Some(suite)) = (words.next(), words.next()) else { continue };
        all.push(Source { uri, suite, components: words.collect(), signed_by });
    }
    all
}

/// Sources of a deb822-style file.
fn deb822(text: &str) -> Vec<Source> {
    let mut all = Vec::new();
    for stanza in stanzas(text) {
        let off = |word: &str| matches!(word, "no" | "false" | "0" | "off" | "without" | "disable");
        let disabled = stanza.get("Enabled").is_some_and(|word| off(&word.to_ascii_lowercase()));
        if disabled || !stanza.words("Types").any(|kind| kind == "deb") {
            continue;
        }
        for uri in stanza.words("URIs") {
            for suite in stanza.words("Suites") {
                all.push(Source {
                    uri: uri.to_owned(),
                    suite: suite.to_owned(),
                    components: stanza.words("Components").map(str::to_owned).collect(),
                    signed_by: stanza.get("Signed-By").map(str::to_owned),
                });
            }
        }
    }
    all
}

/// The likeliest Debian archive below `etc_apt` (`/etc/apt`); among equals
/// the first in apt's own order.
fn machine_mirror(etc_apt: &Path) -> Option<String> {
    let mut files = vec![etc_apt.join("sources.list")];
    let parts = fs::read_dir(etc_apt.join("sources.list.d")).into_iter().flatten().flatten();
    let mut parts: Vec<_> = parts.map(|entry| entry.path()).collect();
    parts.sort();
    files.append(&mut parts);

    let mut sources = Vec::new();
    for file in files {
        let parse = match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => one_line,
            Some("sources") => deb822,
            _ => continue,
        };
        // An unreadable file may hold a password; it is not for us then.
        if let Ok(text) = fs::read_to_string(&file) {
            sources.extend(parse(&text));
        }
    }
    let mut best: Option<(u8, String)> = None;
    for source in sources {
        if let Some(rank) = source.rank()
            && best.as_ref().is_none_or(|(highest, _)| rank > *highest)
        {
            best = Some((rank, source.uri));
        }
    }
    best.map(|(_, uri)| uri)
}

/// The archive to fetch from: `given`, else `$IWLBENCH_MIRROR`, else the machine's.
pub(crate) fn find(given: Option<&str>) -> Result<String, KitError> {
    let mirror = given
        .map(str::to_owned)
        .or_else(|| std::env::var("IWLBENCH_MIRROR").ok().filter(|value| !value.is_empty()))
        .or_else(|| machine_mirror(Path::new("/etc/apt")))
        .ok_or(KitError::NoMirror)?;
    // It becomes a word of a sources.list line.
    let scheme = mirror.split_once(':').map_or("", |(scheme, _)| scheme);
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '#' | '[' | ']' | '"');
    if scheme.is_empty() || scheme.contains('/') || mirror.contains(odd) {
        return Err(KitError::BadMirror { mirror });
    }
    Ok(mirror)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(files: &[(&str, &str)]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sources.list.d")).unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        machine_mirror(dir.path())
    }

    #[test]
    fn one_line_entries() {
        let text = "# deb http://commented/debian trixie main\n\
            deb-src http://source/debian trixie main\n\
            deb http://sec/debian-security trixie-security main\n\
            deb [arch=amd64 signed-by=/k/debian-archive-keyring.gpg] http://good/debian/ trixie main # x\n";
        assert_eq!(mirror(&[("sources.list", text)]).as_deref(), Some("http://good/debian/"));
    }

    #[test]
    fn deb822_entries() {
        let text = "Types: deb\nEnabled: no\nURIs: http://off/debian\nSuites: trixie\nComponents: main\n\n\
            Types: deb-src\nURIs: http://src/debian\nSuites: trixie\nComponents: main\n\n\
            Types: deb deb-src\n# why\nURIs: http://good/debian\nSuites: bookworm bookworm-updates\n\
            Components: main contrib\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n";
        let found = mirror(&[("sources.list.d/debian.sources", text)]);
        assert_eq!(found.as_deref(), Some("http://good/debian"));
    }

    #[test]
    fn other_archives_are_not_taken() {
        for line in [
            "deb http://archive.ubuntu.example/ubuntu noble main",
            "deb https://download.docker.example/linux/debian bookworm stable",
            "deb [signed-by=/k/other.gpg] https://other.example/debian bookworm main",
            "deb https://apt.example/ bookworm main",
            "deb http://sec.example/debian-security bookworm-security main",
            "deb http://sec.example/debian bookworm-security main",
            "deb cdrom:[Debian]/debian trixie main",
            "debris http://x/debian trixie main",
        ] {
            assert_eq!(mirror(&[("sources.list", line)]), None, "{line}");
        }
    }

    #[test]
    fn debians_own_key_outranks_order() {
        let files = [
            ("sources.list", "deb http://first/debian sid main\n"),
            (
                "sources.list.d/b.list",
                "deb [signed-by=/k/debian-archive-keyring.gpg] http://second/debian sid main\n",
            ),
            ("sources.list.d/c.save", "deb http://ignored/debian sid main\n"),
        ];
        assert_eq!(mirror(&files).as_deref(), Some("http://second/debian"));
        assert_eq!(mirror(&files[..1]).as_deref(), Some("http://first/debian"));
    }

    #[test]
    fn snapshots_and_mirror_lists_count() {
        for uri in [
            "http://snapshot.example/archive/debian/20261101T000000Z",
            "mirror+file:/etc/apt/mirrors/debian.list",
            "tor+http://onion.example/debian",
        ] {
            let line = format!("deb {uri} trixie main");
            assert_eq!(mirror(&[("sources.list", &line)]).as_deref(), Some(uri));
        }
    }

    #[test]
    fn a_given_mirror_must_be_one_word_with_a_scheme() {
        assert_eq!(find(Some("file:/srv/debian")).unwrap(), "file:/srv/debian");
        for bad in ["host/debian", "http://a b/debian", "http://a/\ndeb evil", "/srv:x", ""] {
            assert!(matches!(find(Some(bad)), Err(KitError::BadMirror { .. })), "{bad}");
        }
    }
}
