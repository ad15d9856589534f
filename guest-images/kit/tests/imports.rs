//! The files of this crate use each other in one direction only: whoever reads one has to read
//! those below it, never those above.

#[test]
fn no_file_uses_one_that_uses_it() {
    imports::Imports::of_this_package().assert_no_circle();
}
