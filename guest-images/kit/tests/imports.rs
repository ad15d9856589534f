//! The files of this crate use each other in one direction only: whoever reads one has to read
//! those below it, never those above.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

type Graph = BTreeMap<String, BTreeSet<String>>;

/// The first names of what follows `crate::`: one, or those of a group in braces.
fn heads(tokens: &[TokenTree]) -> Vec<String> {
    match tokens {
        [TokenTree::Ident(name), ..] => vec![name.to_string()],
        [TokenTree::Group(group), ..] if group.delimiter() == Delimiter::Brace => {
            let inner: Vec<_> = group.stream().into_iter().collect();
            inner
                .split(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ','))
                .flat_map(heads)
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Names at the crate's top that these tokens, `depth` modules below their file's, speak of.
fn names(tokens: TokenStream, depth: usize, found: &mut BTreeSet<String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let is =
        |at: usize, word: &str| matches!(tokens.get(at), Some(TokenTree::Ident(i)) if i == word);
    let colons = |at: usize| {
        let colon = |at| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
        colon(at) && colon(at + 1)
    };
    for (at, token) in tokens.iter().enumerate() {
        if let TokenTree::Group(group) = token {
            let module = at >= 2 && is(at - 2, "mod") && group.delimiter() == Delimiter::Brace;
            names(group.stream(), depth + usize::from(module), found);
        }
        let after_colons = at >= 2 && colons(at - 2);
        if is(at, "crate") && colons(at + 1) {
            found.extend(heads(&tokens[at + 3..]));
        } else if is(at, "super") && !after_colons {
            let mut ups = 1;
            let mut next = at + 1;
            while colons(next) && is(next + 2, "super") {
                ups += 1;
                next += 3;
            }
            // Fewer lead to a module within the file.
            if ups == depth + 1 && colons(next) {
                found.extend(heads(&tokens[next + 2..]));
            }
        }
    }
}

/// Which file uses which. What is no file is something that `lib.rs` gives away.
fn graph(files: &BTreeMap<String, String>) -> Graph {
    let edges = files.iter().map(|(file, text)| {
        let mut found = BTreeSet::new();
        names(text.parse().unwrap_or_else(|error| panic!("{file}: {error}")), 0, &mut found);
        let used = |name: String| if files.contains_key(&name) { name } else { "lib".to_owned() };
        let mut uses: BTreeSet<_> = found.into_iter().map(used).collect();
        if file == "lib" {
            uses.extend(files.keys().cloned());
        }
        uses.remove(file);
        (file.clone(), uses)
    });
    edges.collect()
}

/// The files that are left when those that use none of the others are taken away, again and again.
fn circle(mut graph: Graph) -> Graph {
    loop {
        let all: BTreeSet<_> = graph.keys().cloned().collect();
        let before = graph.len();
        graph.retain(|_, uses| {
            uses.retain(|file| all.contains(file));
            !uses.is_empty()
        });
        if graph.len() == before {
            return graph;
        }
    }
}

#[test]
fn no_file_uses_one_that_uses_it() {
    // As it is now: the tests may run elsewhere than they were built.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("the test runner sets it");
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(Path::new(&package).join("src")).expect("the sources") {
        let path = entry.expect("an entry").path();
        assert!(path.extension().is_some_and(|e| e == "rs"), "{path:?}: teach this test of it");
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        files.insert(name, std::fs::read_to_string(&path).expect("text"));
    }
    let graph = graph(&files);
    assert!(graph["store"].contains("apt"), "nothing is seen: {graph:?}");
    assert_eq!(circle(graph), Graph::new());
}

#[test]
fn circles_are_seen_however_they_are_written() {
    let seen = |a: &str, b: &str| {
        let files = [("lib", "mod a; mod b;"), ("a", a), ("b", b)];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        !circle(graph(&files.into())).is_empty()
    };
    assert!(seen("use crate::b::B;", "struct B(crate::a::A);"));
    assert!(seen("use crate::{c::D, b::B};", "mod tests { use super::super::a::A; }"));
    assert!(seen("use super::{b};", "fn f() { format!(\"{}\", crate::a::A) }"));
    assert!(seen("use crate::b;", "use crate::GivenAway;"), "through lib.rs");
    assert!(!seen(
        "use crate::b::B; mod tests { use super::*; }",
        "/// As [`crate::a::A`].\nstruct B;"
    ));
}
