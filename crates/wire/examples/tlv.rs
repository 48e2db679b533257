//! Chip data: `cargo run -p switchyard-wire --example tlv`.

use std::error::Error;

use switchyard_wire::{BuildError, Dialect, Mti, describe};

/// A cryptogram with its kind, a counter, what the terminal verified, and a script inside a template.
const CHIP_DATA: &[u8] = &[
    0x9F, 0x26, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0x9F, 0x27, 1, 0x80, 0x9F, 0x36, 2, 0, 7, 0x95, 5, 0, 0, 4, 0x80,
    0, 0x72, 9, 0x9F, 0x18, 1, 1, 0x86, 3, 0x84, 0x24, 0,
];

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let dialect = Dialect::builtin("unionpay-pos").ok_or("built in")?;
    let mut body = Vec::new();
    dialect.build(&mut body, Mti::new(0x0200), |builder| -> Result<(), BuildError> {
        builder.bytes(55, CHIP_DATA)?;
        Ok(())
    })?;
    let message = dialect.parse(&body)?;
    // Object by object, those inside a template after it.
    for object in message.tlv(55) {
        let object = object?;
        let name = describe::tag_name(object.tag).unwrap_or("unknown");
        println!(
            "{:indent$}{:02X} {name}: {} bytes",
            "",
            object.tag,
            object.value.len(),
            indent = usize::from(object.depth) * 2
        );
    }
    // One by its tag, at any depth.
    println!("script identifier {:?}", message.tag(55, 0x9F18));
    // As values.
    let chip = message.chip().ok_or("there is chip data")?;
    assert_eq!(chip.arqc()?, Some([1, 2, 3, 4, 5, 6, 7, 8]));
    println!("the issuer is asked with {:02X?}, transaction {:?} of the card", chip.arqc()?, chip.atc()?);
    for flag in chip.tvr()?.into_iter().flat_map(|tvr| tvr.flags().collect::<Vec<_>>()) {
        println!("the terminal found: {}", flag.en);
    }
    Ok(())
}
