//! The layers of the bench, as its imports have them: no file depends on one that depends on it,
//! and no layer on one above it. What a file's own tests import does not count.

use imports::{Imports, Module};

/// From the ground; `main.rs` stands on them all.
const LAYERS: [&str; 7] = ["facts", "script", "record", "report", "machine", "lab", "app"];

#[test]
fn no_file_stands_on_itself() {
    Imports::of_this_package().assert_no_circle();
}

#[test]
fn no_layer_knows_one_above_it() {
    let height = |module: &Module| {
        module.first().map_or(LAYERS.len(), |layer| {
            LAYERS.iter().position(|known| known == layer).expect("each module is in a layer")
        })
    };
    for (module, used) in Imports::of_this_package().iter() {
        for other in used {
            let (from, to) = (module.join("::"), other.join("::"));
            assert!(height(other) <= height(module), "{from} imports {to}, which is above it");
        }
    }
}
