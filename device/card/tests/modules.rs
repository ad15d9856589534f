//! The house's own order: no file of the card imports one that imports it, by whatever way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each file of `src`, by the path of its module.
fn modules(dir: &Path, path: &[String], found: &mut BTreeMap<Vec<String>, PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory of modules") {
        let file = entry.expect("an entry").path();
        let name = file.file_stem().expect("a name").to_str().expect("UTF-8").to_owned();
        let inner = [path, std::slice::from_ref(&name)].concat();
        if file.is_dir() {
            modules(&file, &inner, found);
        } else {
            let own = if matches!(&*name, "mod" | "lib") { path.to_vec() } else { inner };
            found.insert(own, file);
        }
    }
}

/// The code of a file, without comments and its own tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("a module");
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The paths in the code, split at `::`.
fn paths(code: &str) -> impl Iterator<Item = Vec<&str>> {
    code.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':')))
        .map(|path| path.split("::").filter(|part| !part.is_empty()).collect())
}

/// Which modules each one names.
fn imports() -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeMap::new();
    modules(&src, &[], &mut files);
    assert!(files.len() > 10, "the modules of {}", src.display());
    let owned = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
    let named = |module: &Vec<String>, file: &PathBuf| {
        let mut named = BTreeSet::new();
        for path in paths(&code(file)) {
            let mut full = match path.split_first() {
                // Not `pub(super)`.
                Some((_, [])) => continue,
                Some((&"crate", rest)) => owned(rest),
                Some((&"super", rest)) => {
                    [&module[..module.len().saturating_sub(1)], &owned(rest)].concat()
                }
                // A child, if it has one of that name.
                Some(_) => [&module[..], &owned(&path)].concat(),
                None => continue,
            };
            // The longest part of the path that is a file.
            while !files.contains_key(&full) {
                full.pop();
            }
            if full != *module {
                named.insert(full);
            }
        }
        named
    };
    files.iter().map(|(module, file)| (module.clone(), named(module, file))).collect()
}

/// A way from a module back to itself.
fn circle(
    graph: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>,
    way: &mut Vec<Vec<String>>,
    done: &mut BTreeSet<Vec<String>>,
) -> bool {
    let here = way.last().expect("a beginning").clone();
    for next in &graph[&here] {
        if let Some(at) = way.iter().position(|module| module == next) {
            way.drain(..at);
            return true;
        }
        if !done.contains(next) {
            way.push(next.clone());
            if circle(graph, way, done) {
                return true;
            }
        }
    }
    done.insert(here);
    way.pop();
    false
}

#[test]
fn no_modules_import_each_other() {
    let graph = imports();
    let edges: usize = graph.values().map(BTreeSet::len).sum();
    assert!(edges > graph.len(), "the imports were found: {graph:?}");
    let mut done = BTreeSet::new();
    for module in graph.keys() {
        let mut way = vec![module.clone()];
        if !done.contains(module) && circle(&graph, &mut way, &mut done) {
            let names: Vec<_> = way.iter().map(|module| module.join("::")).collect();
            panic!("a circle: {}", names.join(" -> "));
        }
    }
}
