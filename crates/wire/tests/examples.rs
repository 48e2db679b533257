//! The examples run to their end, with what they assert: each is compiled in here and its `main` called.

#[path = "../examples/build.rs"]
mod build;
#[path = "../examples/own_dialect.rs"]
mod own_dialect;
#[path = "../examples/parse.rs"]
mod parse;
#[path = "../examples/streaming.rs"]
mod streaming;
#[path = "../examples/tlv.rs"]
mod tlv;
#[path = "../examples/walkthrough.rs"]
mod walkthrough;

#[test]
fn every_example_runs() {
    build::main().expect("build");
    own_dialect::main().expect("own_dialect");
    parse::main().expect("parse");
    streaming::main().expect("streaming");
    tlv::main().expect("tlv");
    walkthrough::main().expect("walkthrough");
}

#[test]
fn no_example_is_left_out() {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    // `speed` measures, for a minute.
    names.retain(|name| name != "speed.rs");
    assert_eq!(names, ["build.rs", "own_dialect.rs", "parse.rs", "streaming.rs", "tlv.rs", "walkthrough.rs"]);
}
