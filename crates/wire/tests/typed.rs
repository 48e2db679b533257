//! Values instead of text: what is put into a message is what is read from it, in every dialect.

// A test fails by unwrapping; the lint knows that only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]

use switchyard_wire::typed::{
    Amount, Chip, CryptogramKind, Currency, Date, Expiry, Field, FieldError, LocalDate, LocalTime, PanEntry,
    PosDataCode, PosEntry, PosEntryMode, ProcessingCode, ResponseCode, Rrn, ServiceCode, SettlementDate,
    SignedAmount, Stan, Time, TransmissionTime,
};
use switchyard_wire::{BuildError, Builder, Dialect, Message, Mti};

fn builtin(name: &str) -> &'static Dialect {
    Dialect::builtin(name).unwrap()
}

fn built(dialect: &Dialect, fill: impl FnOnce(&mut Builder<'_, '_>) -> Result<(), BuildError>) -> Vec<u8> {
    let mut out = Vec::new();
    dialect.build(&mut out, Mti::new(0x0200), fill).unwrap();
    out
}

fn refused<F: Field>(dialect: &Dialect, value: &F) -> BuildError {
    let mut out = Vec::new();
    let put = |builder: &mut Builder<'_, '_>| builder.put(value).map(|_| ());
    let error = dialect.build(&mut out, Mti::new(0x0200), put).unwrap_err();
    assert!(out.is_empty());
    error
}

/// The edition of a dialect: 1987, 1993 or 2003.
fn edition(dialect: &Dialect) -> u16 {
    match dialect.name() {
        name if name.starts_with("iso93") => 1993,
        name if name.starts_with("iso2003") => 2003,
        _ => 1987,
    }
}

/// Everything that has a type, in the form of the edition.
struct Values {
    amount: Amount,
    local: LocalTime,
    date: Date,
    entry: PosEntry,
    code: ResponseCode,
}

fn values(edition: u16) -> Values {
    let date = Date::new(Some(2026), 2, 28).unwrap();
    let day = Date::new(None, 2, 28).unwrap();
    let time = Time::new(23, 59, 58).unwrap();
    match edition {
        1987 => Values {
            amount: Amount { minor: 999_999_999_999, currency: Some(Currency::CNY), exponent: None },
            local: LocalTime { date: None, time },
            date: day,
            entry: PosEntry::Mode(PosEntryMode { pan: PanEntry::Chip, pin: 1 }),
            code: ResponseCode::new(b"A0").unwrap(),
        },
        1993 => Values {
            amount: Amount { minor: 1, currency: Some(Currency::USD), exponent: None },
            local: LocalTime { date: Some(date), time },
            date,
            entry: PosEntry::Data(PosDataCode(*b"51110151134C")),
            code: ResponseCode::new(b"116").unwrap(),
        },
        _ => Values {
            amount: Amount { minor: 999_999_999_999, currency: Some(Currency::EUR), exponent: Some(2) },
            local: LocalTime { date: Some(date), time },
            date,
            entry: PosEntry::Bits(*b"0123456789abcdef"),
            code: ResponseCode::new(b"1016").unwrap(),
        },
    }
}

#[test]
fn what_is_put_is_what_is_read_in_every_dialect() {
    for name in Dialect::builtin_names() {
        let dialect = builtin(name);
        let edition = edition(dialect);
        let Values { amount, local, date, entry, code } = values(edition);
        let transmission =
            TransmissionTime { date: Date::new(None, 2, 29).unwrap(), time: Time::new(0, 0, 0).unwrap() };
        let expiry = Expiry::new(2049, 12).unwrap();
        let processing = ProcessingCode { transaction: 20, from: 0, to: 30 };
        let rrn = Rrn::new(*b"AB 000000123").unwrap();
        let body = built(dialect, |builder| {
            builder.put(&processing)?.put(&amount)?.put(&transmission)?.put(&Stan(999_999))?.put(&local)?;
            if edition == 1987 {
                builder.put(&LocalDate(date))?;
            }
            builder.put(&expiry)?.put(&SettlementDate(date))?.put(&entry)?.put(&rrn)?.put(&code)?;
            if edition < 2003 {
                builder.put(&amount.currency.unwrap())?;
            }
            Ok(())
        });
        let message = dialect.parse(&body).unwrap();
        assert_eq!(message.processing_code(), Ok(Some(processing)), "{name}");
        assert_eq!(message.amount(), Ok(Some(amount)), "{name}");
        assert_eq!(message.transmission_time(), Ok(Some(transmission)), "{name}");
        assert_eq!(message.stan(), Ok(Some(Stan(999_999))), "{name}");
        assert_eq!(message.local_time(), Ok(Some(local)), "{name}");
        assert_eq!(message.local_date(), Ok(Some(LocalDate(date))), "{name}");
        assert_eq!(message.expiry(), Ok(Some(expiry)), "{name}");
        assert_eq!(message.settlement_date(), Ok(Some(SettlementDate(date))), "{name}");
        assert_eq!(message.pos_entry(), Ok(Some(entry)), "{name}");
        assert_eq!(message.rrn(), Ok(Some(rrn)), "{name}");
        assert_eq!(message.response_code(), Ok(Some(code)), "{name}");
        // What is absent is nothing, not an error.
        let empty = built(dialect, |_| Ok(()));
        let empty = dialect.parse(&empty).unwrap();
        assert_eq!((empty.amount(), empty.stan(), empty.rrn()), (Ok(None), Ok(None), Ok(None)), "{name}");
        assert_eq!((empty.pos_entry(), empty.response_code()), (Ok(None), Ok(None)), "{name}");
        assert_eq!((empty.local_time(), empty.local_date()), (Ok(None), Ok(None)), "{name}");
        assert_eq!((empty.service_code(), empty.expiry()), (Ok(None), Ok(None)), "{name}");
        assert!(empty.chip().is_none(), "{name}");
    }
}

#[test]
fn a_value_of_another_edition_has_no_room() {
    let old = builtin("iso87-binary");
    let new = builtin("iso2003-ascii");
    let kind = |error: &BuildError| matches!(error, BuildError::WrongKind { .. });
    let time = Time::new(1, 2, 3).unwrap();
    assert!(kind(&refused(old, &LocalTime { date: Date::new(Some(2026), 1, 1), time })));
    assert!(kind(&refused(new, &LocalTime { date: None, time })));
    assert!(kind(&refused(new, &LocalTime { date: Date::new(None, 1, 1), time })));
    assert!(kind(&refused(new, &LocalDate(Date::new(Some(2026), 1, 1).unwrap()))));
    assert!(kind(&refused(new, &SettlementDate(Date::new(None, 1, 1).unwrap()))));
    assert!(kind(&refused(new, &Amount::of(1))));
    assert!(kind(&refused(new, &Currency::CNY)));
    assert!(kind(&refused(old, &ResponseCode::new(b"116").unwrap())));
    assert!(kind(&refused(new, &ResponseCode::new(b"00").unwrap())));
    assert!(kind(&refused(new, &PosEntryMode { pan: PanEntry::Chip, pin: 1 })));
    assert!(kind(&refused(old, &PosEntry::Data(PosDataCode(*b"51110151134C")))));
    assert!(matches!(refused(old, &PosEntry::Bits([0; 16])), BuildError::WrongKind { .. }));
    let above = ProcessingCode { transaction: 100, from: 0, to: 0 };
    assert!(kind(&refused(old, &above)));
    assert_eq!(refused(old, &Stan(1_000_000)), BuildError::TooLong { de: 11, length: 7, max: 6 });
    assert_eq!(
        refused(old, &Amount::of(1_000_000_000_000)),
        BuildError::TooLong { de: 4, length: 13, max: 12 }
    );
    let too_much = Amount { minor: 1_000_000_000_000, currency: Some(Currency::CNY), exponent: Some(2) };
    assert!(matches!(refused(new, &too_much), BuildError::TooLong { de: 4, .. }));
}

#[test]
fn what_no_calendar_has_is_an_error_with_its_element() {
    let dialect = builtin("iso87-ascii");
    let bad = |de: u8, digits: &str| {
        let body = built(dialect, |builder| builder.text(de, digits).map(|_| ()));
        let message = dialect.parse(&body).unwrap();
        let read = |message: &Message<'_, '_>| -> Result<(), FieldError> {
            message.transmission_time()?;
            message.local_time()?;
            message.local_date()?;
            message.expiry()?;
            message.settlement_date()?;
            message.pos_entry()?;
            message.rrn()?;
            message.response_code()?;
            message.field::<Currency>()?;
            Ok(())
        };
        read(&message).unwrap_err().to_string()
    };
    assert_eq!(bad(7, "1301000000"), "de 7: is not a date and time");
    assert_eq!(bad(7, "0230000000"), "de 7: is not a date and time");
    assert_eq!(bad(7, "0101240000"), "de 7: is not a date and time");
    assert_eq!(bad(12, "006000"), "de 12: is not a time");
    assert_eq!(bad(12, "000060"), "de 12: is not a time");
    assert_eq!(bad(13, "0431"), "de 13: is not a date");
    assert_eq!(bad(14, "2600"), "de 14: is not year and month");
    assert_eq!(bad(15, "0000"), "de 15: is not a date");
    assert_eq!(bad(39, "  "), "de 39: is not a code of letters and digits");
    assert_eq!(bad(49, "???"), "de 49: is not a currency");
    assert_eq!(Date::new(Some(2100), 2, 29), None);
    assert_eq!(Date::new(Some(2000), 2, 29).map(Date::day), Some(29));
    // A thirteenth month in an edition whose time has a date.
    let dialect = builtin("iso93-ascii");
    let body = built(dialect, |builder| builder.text(12, "261301000000").map(|_| ()));
    assert!(dialect.parse(&body).unwrap().local_time().is_err());
}

#[test]
fn years_of_two_digits_follow_the_rule_of_chip_cards() {
    let dialect = builtin("iso93-ascii");
    for (digits, year) in [("490101", 2049), ("500101", 1950), ("000101", 2000), ("991231", 1999)] {
        let body = built(dialect, |builder| builder.text(15, digits).map(|_| ()));
        let date = dialect.parse(&body).unwrap().settlement_date().unwrap().unwrap().0;
        assert_eq!(date.year(), Some(year));
        assert_eq!(built(dialect, |builder| builder.put(&SettlementDate(date)).map(|_| ())), body);
    }
    assert!(matches!(
        refused(dialect, &SettlementDate(Date::new(Some(2050), 1, 1).unwrap())),
        BuildError::WrongKind { .. }
    ));
    let expiry = Expiry::new(2026, 11).unwrap();
    let on = |year, month| Date::new(Some(year), month, 1).unwrap();
    assert_eq!(expiry.is_past(on(2026, 11)), Some(false));
    assert_eq!(expiry.is_past(on(2026, 12)), Some(true));
    assert_eq!(expiry.is_past(on(2027, 1)), Some(true));
    assert_eq!(expiry.is_past(Date::new(None, 1, 1).unwrap()), None);
}

#[test]
fn codes_say_what_they_mean() {
    let approves = |code: &str| ResponseCode::new(code.as_bytes()).unwrap().is_approval();
    for code in ["00", "08", "10", "11", "16", "A2", "A6", "000", "002", "0000", "0007"] {
        assert!(approves(code), "{code}");
    }
    for code in ["05", "51", "A0", "A1", "A3", "A7", "01", "68", "100", "400", "1016", "9107", "12", "N0"] {
        assert!(!approves(code), "{code}");
    }
    for bad in ["", "0", "00000", "0 ", "\u{e9}"] {
        assert_eq!(ResponseCode::new(bad.as_bytes()), None, "{bad:?}");
    }
    assert!(ProcessingCode::PURCHASE.is_debit() && ProcessingCode::CASH.is_debit());
    assert!(ProcessingCode::REFUND.is_credit() && ProcessingCode::BALANCE.is_inquiry());
    for code in 0..=99 {
        let entry = PanEntry::of_mode(code);
        // Two codes are typed cards; each other code is its own entry.
        assert!(entry.code() == code || (code == 6 && entry == PanEntry::Manual), "{code}");
    }
    let data = PosDataCode(*b"51110151134C");
    assert_eq!(data.pan_entry(), PanEntry::Chip);
    assert!(data.is_card_present() && data.is_cardholder_present());
}

#[test]
fn amounts_have_their_sign_and_their_currency() {
    for name in ["iso87-ascii", "iso87-binary", "iso87-ebcdic"] {
        let dialect = builtin(name);
        let fee = SignedAmount { is_credit: false, minor: 150 };
        let body = built(dialect, |builder| {
            Amount::of(7).write_at(builder, 5)?;
            fee.write_at(builder, 28)?;
            SignedAmount { is_credit: true, minor: 0 }.write_at(builder, 29)
        });
        let message = dialect.parse(&body).unwrap();
        assert_eq!(Amount::read_at(&message, 5), Ok(Some(Amount::of(7))), "{name}");
        assert_eq!(SignedAmount::read_at(&message, 28), Ok(Some(fee)), "{name}");
        assert_eq!(message.text(28).as_deref(), Some("D00000150"), "{name}");
        let zero = SignedAmount { is_credit: true, minor: 0 };
        assert_eq!(SignedAmount::read_at(&message, 29), Ok(Some(zero)), "{name}");
        assert_eq!(SignedAmount::read_at(&message, 30), Ok(None), "{name}");
        let mut out = Vec::new();
        let mut builder = dialect.builder(&mut out, Mti::new(0x0200));
        let huge = SignedAmount { is_credit: true, minor: u64::MAX };
        assert!(matches!(huge.write_at(&mut builder, 28), Err(BuildError::TooLong { de: 28, .. })), "{name}");
    }
    // A host that sends no sign sends no amount with a side.
    let dialect = builtin("iso87-ascii");
    let body = built(dialect, |builder| builder.text(28, "000000150").map(|_| ()));
    assert!(SignedAmount::read_at(&dialect.parse(&body).unwrap(), 28).is_err());
    // Letters are a currency too, in those that are known.
    let body = built(dialect, |builder| builder.put(&Amount::of(1))?.text(49, "CNY").map(|_| ()));
    let amount = dialect.parse(&body).unwrap().amount().unwrap().unwrap();
    assert_eq!(amount.currency, Some(Currency::CNY));
    assert_eq!(amount.currency.and_then(Currency::exponent), Some(2));
}

/// A published test number.
const PAN: &str = "4111111111111111";

#[test]
fn the_service_code_comes_from_whatever_track_there_is() {
    let code = |digits: &[u8; 3]| ServiceCode::new(*digits);
    for name in ["iso87-ascii", "iso87-binary", "iso87-ebcdic", "iso93-binary", "unionpay-pos"] {
        let dialect = builtin(name);
        let read = |fill: &dyn Fn(&mut Builder<'_, '_>) -> Result<(), BuildError>| {
            let body = built(dialect, fill);
            let message = dialect.parse(&body).unwrap();
            message.service_code().unwrap()
        };
        let track_2 = format!("{PAN}=2912220110000");
        let track_1 = format!("B{PAN}^DOE/J^2912601110000");
        assert_eq!(read(&|builder| builder.text(35, &track_2).map(|_| ())), code(b"220"), "{name}");
        assert_eq!(read(&|builder| builder.text(45, &track_1).map(|_| ())), code(b"601"), "{name}");
        assert_eq!(read(&|builder| builder.text(40, "101").map(|_| ())), code(b"101"), "{name}");
        let both = |builder: &mut Builder<'_, '_>| builder.text(35, PAN)?.text(40, "101").map(|_| ());
        assert_eq!(read(&both), code(b"101"), "{name}");
    }
    // Where the dialect says that tracks are enciphered, digits in them say nothing.
    let dialect = builtin("unionpay-pos");
    let body = built(dialect, |builder| {
        builder.text(35, &format!("{PAN}=2912220110000"))?.text(53, "2610000000000000").map(|_| ())
    });
    assert_eq!(dialect.parse(&body).unwrap().service_code(), Ok(None));
    let chip = ServiceCode::new(*b"220").unwrap();
    assert!(chip.has_chip() && chip.is_international() && chip.is_online_only() && chip.wants_pin());
    let stripe = ServiceCode::new(*b"501").unwrap();
    assert!(
        !stripe.has_chip() && !stripe.is_international() && !stripe.is_online_only() && !stripe.wants_pin()
    );
    assert_eq!(ServiceCode::new(*b"2A1"), None);
}

#[test]
fn a_packed_track_is_written_as_it_is() {
    let packed = [0x41, 0x11, 0xD2, 0x9E, 0xF7];
    let dialect = builtin("unionpay-pos");
    let body = built(dialect, |builder| builder.packed_track(35, &packed, 10).map(|_| ()));
    let message = dialect.parse(&body).unwrap();
    assert_eq!((message.raw(35), message.value_len(35)), (Some(&packed[..]), Some(10)));
    // An odd number keeps the half byte that does not count, enciphered or not.
    let body = built(dialect, |builder| builder.packed_track(35, &packed, 9).map(|_| ()));
    let message = dialect.parse(&body).unwrap();
    assert_eq!((message.raw(35), message.value_len(35)), (Some(&packed[..]), Some(9)));
    for name in ["iso87-ascii", "iso87-ebcdic", "iso93-binary"] {
        let dialect = builtin(name);
        let body = built(dialect, |builder| builder.packed_track(35, &packed, 9).map(|_| ()));
        let mut buf = [0; 40];
        let message = dialect.parse(&body).unwrap();
        assert_eq!(message.digits(35, &mut buf), Some(&b"4111=29EF"[..]), "{name}");
    }
    let error = |packed: &[u8], nibbles, de| {
        let mut out = Vec::new();
        let mut builder = dialect.builder(&mut out, Mti::new(0x0200));
        builder.packed_track(de, packed, nibbles).map(|_| ()).unwrap_err()
    };
    assert_eq!(error(&packed, 11, 35), BuildError::TooShort { de: 35, need: 11, have: 10 });
    assert_eq!(error(&packed, 8, 35), BuildError::TooLong { de: 35, length: 10, max: 8 });
    assert_eq!(error(&[0; 19], 38, 35), BuildError::TooLong { de: 35, length: 38, max: 37 });
    assert!(matches!(error(&packed, 10, 48), BuildError::WrongKind { de: 48, .. }));
}

fn chip_message(data: &[u8]) -> Vec<u8> {
    built(builtin("unionpay-pos"), |builder| builder.bytes(55, data).map(|_| ()))
}

#[test]
fn chip_data_is_read_as_values() {
    let data = [
        &[0x9F, 0x26, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0x9F, 0x27, 1, 0x80, 0x9F, 0x36, 2, 0x01, 0x02][..],
        &[0x95, 5, 0x08, 0x40, 0x24, 0x80, 0x00, 0x9B, 2, 0xE8, 0x00, 0x82, 2, 0x7D, 0x00],
        &[0x9F, 0x02, 6, 0, 0, 0, 0x01, 0x23, 0x45, 0x9F, 0x03, 6, 0, 0, 0, 0, 0, 0],
        &[0x5F, 0x2A, 2, 0x01, 0x56, 0x9F, 0x1A, 2, 0x01, 0x56, 0x9A, 3, 0x26, 0x02, 0x28],
        &[0x9C, 1, 0x20, 0x9F, 0x21, 3, 0x23, 0x59, 0x58, 0x9F, 0x37, 4, 9, 8, 7, 6, 0x5F, 0x34, 1, 0x01],
        &[0x9F, 0x34, 3, 0x42, 0x03, 0x02, 0x9F, 0x33, 3, 0xE0, 0xF9, 0xC8, 0x84, 2, 0xA0, 0x01],
        &[0x9F, 0x10, 3, 7, 8, 9, 0x71, 4, 0x91, 2, 0xAA, 0xBB],
    ]
    .concat();
    let body = chip_message(&data);
    let message = builtin("unionpay-pos").parse(&body).unwrap();
    let chip = message.chip().unwrap();
    assert_eq!(chip.arqc(), Ok(Some([1, 2, 3, 4, 5, 6, 7, 8])));
    assert_eq!(chip.cryptogram().unwrap().unwrap().kind, Some(CryptogramKind::Request));
    assert!(!chip.cryptogram_info().unwrap().unwrap().wants_advice());
    assert_eq!(chip.atc(), Ok(Some(0x0102)));
    let tvr = chip.tvr().unwrap().unwrap();
    let flags: Vec<&str> = tvr.flags().map(|flag| flag.en).collect();
    assert_eq!(
        flags,
        [
            "dynamic data authentication failed",
            "application expired",
            "PIN try limit exceeded",
            "online PIN entered",
            "transaction exceeds floor limit"
        ]
    );
    assert!(tvr.has(2, 0x04) && !tvr.has(2, 0x80) && !tvr.has(9, 0x80) && !tvr.is_clear());
    assert_eq!(chip.tsi().unwrap().unwrap().flags().count(), 4);
    assert_eq!(chip.aip().unwrap().unwrap().flags().count(), 6);
    assert_eq!((chip.amount_authorized(), chip.amount_other()), (Ok(Some(12_345)), Ok(Some(0))));
    assert_eq!((chip.currency(), chip.terminal_country()), (Ok(Some(Currency::CNY)), Ok(Some(156))));
    assert_eq!(chip.date(), Ok(Date::new(Some(2026), 2, 28)));
    assert_eq!(chip.time(), Ok(Time::new(23, 59, 58)));
    assert_eq!((chip.transaction_type(), chip.pan_sequence()), (Ok(Some(20)), Ok(Some(1))));
    assert_eq!(chip.unpredictable_number(), Ok(Some([9, 8, 7, 6])));
    let cvm = chip.cvm_results().unwrap().unwrap();
    assert_eq!(cvm.method_names().map(|names| names.0), Some("enciphered PIN, online"));
    assert_eq!(cvm.result_names().map(|names| names.0), Some("successful"));
    assert_eq!(chip.terminal_capabilities(), Ok(Some([0xE0, 0xF9, 0xC8])));
    assert_eq!(chip.application(), Ok(Some(&[0xA0, 0x01][..])));
    assert_eq!(chip.issuer_application_data(), Ok(Some(&[7, 8, 9][..])));
    assert_eq!(chip.issuer_authentication_data(), Ok(Some(&[0xAA, 0xBB][..])), "inside a template");
}

#[test]
fn chip_data_of_another_length_is_an_error_with_its_tag() {
    let read = |data: &[u8]| {
        let body = chip_message(data);
        let message = builtin("unionpay-pos").parse(&body).unwrap();
        let chip = message.chip().unwrap();
        chip.tvr().and_then(|_| chip.amount_authorized()).and_then(|_| chip.date()).unwrap_err().to_string()
    };
    assert_eq!(read(&[0x95, 4, 0, 0, 0, 0]), "de 55.95: is not five bytes");
    assert_eq!(read(&[0x9F, 0x02, 6, 0, 0, 0, 0, 0, 0x1A]), "de 55.9F02: is not packed digits of its length");
    assert_eq!(read(&[0x9A, 3, 0x26, 0x13, 0x01]), "de 55.9A: is not a date");
    assert_eq!(read(&[0x82, 9, 1]), "de 55.95: is not reached: the bytes before are no objects");
    // A cryptogram without its kind is no request.
    let chip = Chip::new(&[0x9F, 0x26, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(chip.arqc(), Ok(None));
    assert_eq!(chip.cryptogram().unwrap().unwrap().kind, None);
    // Tags and lengths, no values.
    assert_eq!(format!("{chip:?}"), r#"{"9F26": 8}"#);
}

/// What element 22 is follows from its rule, never from how many bytes stand on the wire: eight bytes in hexadecimal
/// digits are sixteen characters and no sixteen bits' bytes.
#[test]
fn a_point_of_service_code_of_bits_is_read_by_the_rule_of_its_element() {
    let bits = *b"0123456789abcdef";
    for encoding in ["raw", "hex", "ebcdic-hex"] {
        let dialect = |bytes: usize| {
            let element = format!("22 = {{ format = \"b{bytes}\", encoding = \"{encoding}\" }}");
            Dialect::from_toml(&format!("name = \"bits\"\ntitle = \"bits\"\n[elements]\n{element}\n"))
                .unwrap()
        };
        let long = dialect(16);
        let body = built(&long, |builder| builder.put(&PosEntry::Bits(bits)).map(|_| ()));
        let message = long.parse(&body).unwrap();
        assert_eq!(PosEntry::read(&message), Ok(Some(PosEntry::Bits(bits))), "{encoding}");
        let short = dialect(8);
        let body = built(&short, |builder| builder.bytes(22, &bits[..8]).map(|_| ()));
        assert!(PosEntry::read(&short.parse(&body).unwrap()).is_err(), "{encoding}");
        assert!(matches!(refused(&short, &PosEntry::Bits(bits)), BuildError::TooLong { .. }));
    }
}
