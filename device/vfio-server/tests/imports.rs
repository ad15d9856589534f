//! No file of the server imports one that imports it, by whatever way.

#[test]
fn no_modules_import_each_other() {
    imports::Imports::of_this_package().assert_no_circle();
}
