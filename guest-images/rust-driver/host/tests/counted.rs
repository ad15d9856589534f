// SPDX-License-Identifier: GPL-2.0

//! What is unsafe in the driver: each place says why, and the README counts them.

use std::fs;
use std::path::Path;

/// The lines of a source that are unsafe, and not what another place has to keep to.
fn places(source: &str) -> Vec<usize> {
    let is_one = |line: &str| {
        let words = ["unsafe {", "unsafe impl", "unsafe extern \"C\" {", "unsafe("];
        words.iter().any(|word| line.contains(word))
    };
    let code = source.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.filter(|(_, line)| is_one(line)).map(|(at, _)| at).collect()
}

/// Above a place, at the begin of its statement.
fn says_why(lines: &[&str], place: usize) -> bool {
    lines[..place].iter().rev().take(6).any(|line| line.trim_start().starts_with("// SAFETY: "))
}

#[test]
fn each_unsafe_place_says_why_and_is_counted() {
    let driver = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(driver.join("README.md")).expect("a README");
    let (_, section) = readme.split_once("## What is unsafe").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("another follows");
    let (said, _) = section.trim_start().split_once(" places").expect("how many");
    let mut rows: Vec<(String, usize)> = Vec::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let mut columns = row.split('|').skip(1).map(str::trim);
        let files = columns.next().expect("files").replace('`', "");
        rows.push((files, columns.next().and_then(|n| n.parse().ok()).expect("a number")));
    }
    let mut found = vec![0; rows.len()];
    for below in ["", "abstractions/"] {
        for entry in fs::read_dir(driver.join(below)).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|ending| ending != "rs") {
                continue;
            }
            let name = format!("{below}{}", path.file_name().expect("a name").display());
            let source = fs::read_to_string(&path).expect("a source");
            let (lines, places) = (source.lines().collect::<Vec<_>>(), places(&source));
            for &place in &places {
                let line = lines[place].trim();
                assert!(says_why(&lines, place), "{name}:{}: no reason for {line}", place + 1);
            }
            let is_of = |(files, _): &(String, usize)| {
                files.split(", ").any(|file| file == name || !below.is_empty() && file == below)
            };
            match rows.iter().position(is_of) {
                Some(row) => found[row] += places.len(),
                None => assert!(places.is_empty(), "{name} is not in the README's table"),
            }
        }
    }
    assert_eq!(rows.iter().map(|row| row.1).collect::<Vec<_>>(), found, "{rows:?}");
    assert_eq!(said.parse(), Ok(found.iter().sum::<usize>()));
}
