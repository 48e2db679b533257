//! A dialect of one's own, in a few lines over a built-in one: `cargo run -p switchyard-wire --example own_dialect`.

use std::error::Error;

use switchyard_wire::validate::validate;
use switchyard_wire::{BuildError, Dialect, Masking, Mti, json};

/// What host X does otherwise, as a file says it.
const HOST_X: &str = r#"
name = "host-x"
title = "what host X speaks"
extends = "iso87-ascii"

[bitmap]
encoding = "raw"

[elements]
41 = { format = "an8", name = "terminal", pad = "left", fill = "0" }
48 = { format = "ans..40 LL", prefix = "binary", counts = "inclusive", name = "private", subfields = [
    { format = "n2", name = "counter" },
    { format = "an6", name = "operator" },
] }
63 = { format = "absent" }

[codes."48.1"]
"07" = "the last counter but one"

[[presence]]
mti = "0800"
mandatory = [11, 41, 48]
"#;

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let dialect = Dialect::from_toml(HOST_X)?;
    let mut body = Vec::new();
    dialect.build(&mut body, Mti::new(0x0800), |builder| -> Result<(), BuildError> {
        builder.text(41, "42")?.text(48, "07ABCDEF")?;
        Ok(())
    })?;
    let message = dialect.parse(&body)?;
    println!("{}", json::to_json(&message, Masking::Masked));
    println!("counter {:?}: {:?}", message.subfield("48.1"), dialect.meaning("48.1", "07"));
    assert_eq!(message.text(41).as_deref(), Some("00000042"));
    assert_eq!(validate(&message).len(), 1);
    for finding in validate(&message) {
        println!("{finding}");
    }
    // A mistake in a file is an error that names the key.
    let error = Dialect::from_toml("name = \"y\"\n[elements]\n2 = { format = \"n6 LL\" }").err();
    println!("{}", error.ok_or("n6 is fixed: it has no length")?);
    Ok(())
}
