//! What the attributes accept and refuse, with the messages as users see them.
//!
//! After a wanted change of a message: `TRYBUILD=overwrite cargo test -p osprofiler-macros --test compile`.

#[test]
fn the_attributes_accept_what_is_right_and_explain_what_is_wrong() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/compile/pass/*.rs");
    cases.compile_fail("tests/compile/fail/*.rs");
}
