//! The layers of the bench, as its imports have them: no file depends on one that depends on it,
//! and no layer on one above it. What a file's own tests import does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::Visit;

/// From the ground; `main.rs` stands on them all.
const LAYERS: [&str; 7] = ["facts", "script", "record", "report", "machine", "lab", "app"];

/// A module's path below the crate's root, which is the empty one.
type Module = Vec<String>;

/// The modules that have a file of their own.
fn modules(src: &Path) -> BTreeMap<Module, syn::File> {
    let mut modules = BTreeMap::new();
    let mut left: Vec<PathBuf> = vec![src.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(&directory).expect("src can be read") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("src can be read");
                let file = syn::parse_file(&text).expect("it compiles");
                let below = path.strip_prefix(src).expect("below src").with_extension("");
                let mut module: Module =
                    below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
                module.pop_if(|last| last == "mod" || last == "main");
                modules.insert(module, file);
            }
        }
    }
    modules
}

/// The modules that one module names.
struct Imports<'a> {
    of: &'a Module,
    known: &'a BTreeSet<Module>,
    found: BTreeSet<Module>,
}

impl Imports<'_> {
    /// A path: the deepest module with a file of its own that it leads into.
    fn path(&mut self, segments: &[String]) {
        let mut at = self.of.clone();
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
        if at != *self.of {
            self.found.insert(at);
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
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter().map(|segment| segment.ident.to_string());
        self.path(&segments.collect::<Vec<_>>());
        syn::visit::visit_path(self, path);
    }

    /// `pub(super)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        // With a body, it is the file's tests.
        assert!(module.content.is_none() || module.ident == "tests", "a module has its file");
    }
}

/// Whether a module is only there for tests.
fn is_test(module: &Module, modules: &BTreeMap<Module, syn::File>) -> bool {
    let Some((name, parent)) = module.split_last() else { return false };
    let declared = modules[parent].items.iter().find_map(|item| match item {
        syn::Item::Mod(item) if item.ident == name => Some(&item.attrs),
        _ => None,
    });
    declared.is_some_and(|attributes| attributes.iter().any(|a| a.path().is_ident("cfg")))
}

fn imports(src: &Path) -> BTreeMap<Module, BTreeSet<Module>> {
    let modules = modules(src);
    let known: BTreeSet<Module> = modules.keys().cloned().collect();
    let own = modules.iter().filter(|(module, _)| !is_test(module, &modules));
    own.map(|(module, file)| {
        let mut imports = Imports { of: module, known: &known, found: BTreeSet::new() };
        imports.visit_file(file);
        (module.clone(), imports.found)
    })
    .collect()
}

/// A way back to where it began, if there is one.
fn circle(
    imports: &BTreeMap<Module, BTreeSet<Module>>,
    way: &mut Vec<Module>,
    done: &mut BTreeSet<Module>,
) -> Option<Vec<Module>> {
    let at = way.last().expect("begun").clone();
    for next in imports.get(&at).into_iter().flatten() {
        if let Some(begin) = way.iter().position(|module| module == next) {
            return Some(way[begin..].to_vec());
        }
        if done.contains(next) {
            continue;
        }
        way.push(next.clone());
        if let Some(found) = circle(imports, way, done) {
            return Some(found);
        }
        way.pop();
    }
    done.insert(at);
    None
}

fn bench() -> BTreeMap<Module, BTreeSet<Module>> {
    imports(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn no_file_stands_on_itself() {
    let imports = bench();
    let mut done = BTreeSet::new();
    for module in imports.keys() {
        if let Some(circle) = circle(&imports, &mut vec![module.clone()], &mut done) {
            let names: Vec<_> = circle.iter().map(|module| module.join("::")).collect();
            panic!("these depend on each other: {}", names.join(" → "));
        }
    }
}

#[test]
fn no_layer_knows_one_above_it() {
    let height = |module: &Module| {
        module.first().map_or(LAYERS.len(), |layer| {
            LAYERS.iter().position(|known| known == layer).expect("each module is in a layer")
        })
    };
    let imports = bench();
    assert!(imports.len() > 50, "the files are found");
    for (module, found) in &imports {
        for other in found {
            let (from, to) = (module.join("::"), other.join("::"));
            assert!(height(other) <= height(module), "{from} imports {to}, which is above it");
        }
    }
}
