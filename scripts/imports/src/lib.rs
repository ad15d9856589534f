//! Which files of a package use which, for tests that keep circles out.
//!
//! A file uses another if a path in its code leads into that one: of a `use`, of an expression, of a
//! macro's arguments. It leads into the deepest module on its way that has a file. What tests use
//! does not count, nor what comments name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;

/// A module's path below the crate's root, which is the empty one.
pub type Module = Vec<String>;

/// The modules with a file of their own, and which of them each uses.
#[derive(Debug)]
pub struct Imports(BTreeMap<Module, BTreeSet<Module>>);

impl Imports {
    /// Those of the package whose test this is.
    #[must_use]
    pub fn of_this_package() -> Self {
        // As it is now: the tests may run elsewhere than they were built.
        let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("the test runner sets it");
        let imports = Self::of(files(&Path::new(&package).join("src")));
        assert!(imports.0.values().any(|used| !used.is_empty()), "nothing is seen: {imports:?}");
        imports
    }

    fn of(sources: BTreeMap<Module, String>) -> Self {
        let parse = |(module, text): (Module, String)| {
            let file = syn::parse_file(&text).unwrap_or_else(|e| panic!("{module:?}: {e}"));
            (module, file)
        };
        let files: BTreeMap<_, _> = sources.into_iter().map(parse).collect();
        let known: BTreeSet<Module> = files.keys().cloned().collect();
        let own = files.iter().filter(|(module, _)| !is_test(module, &files));
        let uses = |(module, file): (&Module, &syn::File)| {
            let (of, at, found) = (module, module.clone(), BTreeSet::new());
            let mut uses = Uses { of, at, known: &known, found };
            uses.visit_file(file);
            (module.clone(), uses.found)
        };
        Self(own.map(uses).collect())
    }

    /// Each module, and those that it uses.
    pub fn iter(&self) -> impl Iterator<Item = (&Module, &BTreeSet<Module>)> {
        self.0.iter()
    }

    /// Panics with a circle, if there is one.
    pub fn assert_no_circle(&self) {
        if let Some(circle) = self.circle() {
            let names: Vec<_> = circle.iter().map(|module| module.join("::")).collect();
            panic!("these use each other: {}", names.join(" → "));
        }
    }

    fn circle(&self) -> Option<Vec<Module>> {
        let mut done = BTreeSet::new();
        self.0.keys().find_map(|module| self.back(&mut vec![module.clone()], &mut done))
    }

    /// A way back to where it began, if there is one.
    fn back(&self, way: &mut Vec<Module>, done: &mut BTreeSet<Module>) -> Option<Vec<Module>> {
        let at = way.last().expect("begun").clone();
        for next in self.0.get(&at).into_iter().flatten() {
            if let Some(begin) = way.iter().position(|module| module == next) {
                return Some(way[begin..].to_vec());
            }
            if done.contains(next) {
                continue;
            }
            way.push(next.clone());
            if let Some(found) = self.back(way, done) {
                return Some(found);
            }
            way.pop();
        }
        done.insert(at);
        None
    }
}

/// The text of each module's file.
fn files(src: &Path) -> BTreeMap<Module, String> {
    let mut found = BTreeMap::new();
    let mut left: Vec<PathBuf> = vec![src.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(&directory).expect("src can be read") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("src can be read");
                let below = path.strip_prefix(src).expect("below src").with_extension("");
                let mut module: Module =
                    below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
                module.pop_if(|last| ["mod", "main", "lib"].contains(&&**last));
                found.insert(module, text);
            }
        }
    }
    found
}

/// Something is only there for tests.
fn for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_test = |argument: syn::Path| argument.is_ident("test");
        attribute.path().is_ident("cfg") && attribute.parse_args().is_ok_and(is_test)
    })
}

/// A module is only there for tests, or below one that is.
fn is_test(module: &Module, files: &BTreeMap<Module, syn::File>) -> bool {
    let declared = |depth: usize| {
        let (parent, name) = (files.get(&module[..depth])?, &module[depth]);
        parent.items.iter().find_map(|item| match item {
            syn::Item::Mod(item) if item.ident == name => Some(&item.attrs),
            _ => None,
        })
    };
    (0..module.len()).filter_map(declared).any(|attributes| for_tests(attributes))
}

/// What one file uses.
struct Uses<'a> {
    of: &'a Module,
    /// The module that is being read: the file's, or one within it.
    at: Module,
    known: &'a BTreeSet<Module>,
    found: BTreeSet<Module>,
}

impl Uses<'_> {
    fn path(&mut self, segments: &[String]) {
        let mut at = self.at.clone();
        let mut segments = segments.iter().peekable();
        match segments.peek().map(|first| first.as_str()) {
            Some("crate") => {
                at.clear();
                segments.next();
            }
            Some("self") => drop(segments.next()),
            Some("super") => {
                while segments.next_if(|segment| *segment == "super").is_some() {
                    at.pop();
                }
            }
            // A child, or another crate.
            Some(first) if self.known.contains(&[&at[..], &[first.to_owned()]].concat()) => {}
            _ => return,
        }
        for segment in segments {
            at.push(segment.clone());
            if !self.known.contains(&at) {
                at.pop();
                break;
            }
        }
        // A module within a file is the file's.
        while !self.known.contains(&at) {
            at.pop();
        }
        if at != *self.of {
            self.found.insert(at);
        }
    }

    /// One name alone leads into no module, but in a `use`.
    fn longer_path(&mut self, segments: &[String]) {
        if segments.len() > 1 {
            self.path(segments);
        }
    }

    fn tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(before, tree));
            }
            syn::UseTree::Name(name) => self.path(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.path(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.path(before),
        }
    }

    /// The paths among a macro's arguments.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.longer_path(&std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                other => {
                    self.longer_path(&std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.longer_path(&path);
    }
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !for_tests(&item.attrs) {
            self.tree(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter().map(|segment| segment.ident.to_string());
        self.longer_path(&segments.collect::<Vec<_>>());
        syn::visit::visit_path(self, path);
    }

    /// `pub(super)` uses nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !for_tests(&module.attrs) {
            self.at.push(module.ident.to_string());
            syn::visit::visit_item_mod(self, module);
            self.at.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(files: &[(&str, &str)]) -> Imports {
        let files = files.iter().map(|(name, text)| (module(name), (*text).to_owned()));
        Imports::of(files.collect())
    }

    fn module(name: &str) -> Module {
        name.split('/').filter(|name| *name != "lib").map(str::to_owned).collect()
    }

    fn circle(files: &[(&str, &str)]) -> Option<String> {
        let circle = imports(files).circle()?;
        Some(circle.iter().map(|module| module.join("/")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn circles_are_seen_however_they_are_written() {
        let seen = |a: &str, b: &str| {
            circle(&[("lib", "mod a; mod b; pub use a::GivenAway;"), ("a", a), ("b", b)]).is_some()
        };
        assert!(seen("use crate::b::B;", "struct B(crate::a::A);"));
        assert!(seen("use crate::{c::D, b::B};", "mod inner { use super::super::a::A; }"));
        assert!(seen("use super::{b};", "fn f() { format!(\"{}\", crate::a::A) }"));
        assert!(seen("use crate::b;", "use crate::GivenAway;"), "through lib.rs");
        assert!(!seen(
            "use crate::b::B; #[cfg(test)] mod tests { use super::*; }",
            "/// As [`crate::a::A`].\nstruct B; #[cfg(test)] mod tests { use crate::a::A; }"
        ));
        assert!(!seen("use crate::b::B;", "pub(in crate::a) struct B; fn f(a: u8) { vec![a] }"));
    }

    #[test]
    fn a_child_that_uses_its_parent_is_in_a_circle() {
        let seen =
            |parent: &str, child: &str| circle(&[("lib", ""), ("a", parent), ("a/b", child)]);
        assert_eq!(seen("mod b; use b::{f, g};", "use super::X;").as_deref(), Some("a a/b"));
        assert_eq!(
            seen("mod b; use b::f;", "fn f() { super::X.into() }").as_deref(),
            Some("a a/b")
        );
        assert_eq!(seen("mod b;", "use super::X;"), None);
        assert_eq!(seen("mod b; use b::f; mod c { fn g() {} }", "use super::super::d;"), None);
    }

    #[test]
    fn what_is_below_tests_does_not_count() {
        let tests = [("a", "#[cfg(test)] mod t;"), ("a/t", ""), ("a/t/u", "use crate::a::X;")];
        let seen: Vec<Module> =
            imports(&[&[("lib", "")], &tests[..]].concat()).0.into_keys().collect();
        assert_eq!(seen, [module("lib"), module("a")]);
    }
}
