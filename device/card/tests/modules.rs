//! The house's own order: no file of the card imports one that imports it, by whatever way.

#[test]
fn no_modules_import_each_other() {
    imports::Imports::of_this_package().assert_no_circle();
}
