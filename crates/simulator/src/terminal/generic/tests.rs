//! What generic terminals send, in every edition and encoding, and which answers they believe.

use super::*;
use crate::error::SimError;
use crate::journal::{EntryMode, OriginalRef};
use crate::terminal::{Composer, Order, Reply, SessionKeys, Tamper};
use crate::world::{DemoSize, DemoTerminal, DemoWorld, KeySource, Speech};
use std::sync::Arc;
use switchyard_domain::{BatchNumber, LinkDialect, ResponseCode, Stan, TerminalMac, Timestamp};
use switchyard_keys::mac::MacKey;
use switchyard_keys::working_keys::{MacProfile, WorkingKeyBlock};
use switchyard_keys::{DesKey, TdesCipher};

const KINDS: [TransactionKind; 15] = [
    TransactionKind::Sale,
    TransactionKind::Void,
    TransactionKind::Refund,
    TransactionKind::BalanceInquiry,
    TransactionKind::PreAuth,
    TransactionKind::PreAuthVoid,
    TransactionKind::Completion,
    TransactionKind::CompletionAdvice,
    TransactionKind::CompletionVoid,
    TransactionKind::OfflineSale,
    TransactionKind::CashAdvance,
    TransactionKind::CardRepayment,
    TransactionKind::TopUp,
    TransactionKind::Tip,
    TransactionKind::PreAuthAdvice,
];
/// 2026-11-18 19:06:40 in China.
const AT: Timestamp = Timestamp(1_795_000_000_000_000);

struct Desk {
    terminal: DemoTerminal,
    keys: SessionKeys,
    mac: MacKey,
    order: Order,
}

fn desk(dialect: &str) -> Desk {
    let world = DemoWorld::generate(1, &DemoSize::default(), KeySource::Seeded).unwrap();
    let mut terminal = world.terminals[0].clone();
    terminal.mac = TerminalMac::X919;
    terminal.speak(Speech::generic(LinkDialect::named(dialect).unwrap()));
    let key = |byte| DesKey::from_slice(&[byte; 16]).unwrap();
    let block = WorkingKeyBlock::build(&terminal.tmk.des(), &key(0x1A), &key(0x2B), None).unwrap();
    let keys = SessionKeys::open(&terminal, &block).unwrap();
    let mac = MacKey::new(MacProfile::from(terminal.mac).algorithm, &[0x2B; 16]).unwrap();
    let card = Arc::new(world.cards[0].clone());
    let order = Order {
        kind: TransactionKind::Sale,
        amount_minor: 1_250,
        entry: EntryMode::Contact,
        pin: Some(card.pin.clone()),
        card,
        original: None,
        tamper: Tamper::None,
        at: AT,
    };
    Desk { terminal, keys, mac, order }
}

impl Desk {
    fn composer(&self) -> Composer<'_> {
        Composer { terminal: &self.terminal, batch: BatchNumber::FIRST, keys: Some(&self.keys), now: AT }
    }
    /// An answer to the sale under a key, with a code and perhaps a part.
    fn answer(&self, code: &str, minor: u64, mac: Option<&MacKey>) -> Result<Option<Reply>, SimError> {
        let dialect = self.terminal.speech.tables().unwrap();
        let frame = self.composer().transaction(&self.order, stan(7)).unwrap();
        let request = dialect.parse(&frame[2..]).unwrap();
        let version = self.terminal.speech.version();
        let mut elements = elements::Elements::default();
        elements.moment(version, AT).number(11, 7).text(39, code).text(37, "112233445566");
        elements.text(41, self.terminal.tid.as_str()).text(42, self.terminal.mid.as_str());
        let currency = if version == MtiVersion::Iso2003 { "1562" } else { "" };
        elements.text(4, format!("{currency}{minor:012}"));
        let body = elements.build(dialect, request.mti().reply(), mac.map(|key| (key, false))).unwrap();
        let expected =
            self.composer().expected_of(Asking::Transaction(TransactionKind::Sale), &self.order, stan(7));
        Reply::read(&body, &self.terminal, Some(&self.keys), &expected)
    }
    fn spelled(&self, action: u64) -> String {
        match self.terminal.speech.version() {
            MtiVersion::Iso1993 => format!("{action:03}"),
            MtiVersion::Iso2003 => format!("{:04}", action / 100 * 1_000 + action % 100),
            _ => match action {
                0 => "00".into(),
                2 => "10".into(),
                _ => "51".into(),
            },
        }
    }
}

fn stan(number: u64) -> Stan {
    Stan::try_from(number).unwrap()
}

#[test]
fn every_kind_is_a_message_of_its_dialect_with_its_mac() {
    for name in LinkDialect::ALL.map(LinkDialect::name) {
        let desk = desk(name);
        let dialect = desk.terminal.speech.tables().unwrap();
        for kind in KINDS {
            for entry in [EntryMode::Manual, EntryMode::Stripe, EntryMode::Contact] {
                let original = kind.follows_another().then(|| OriginalRef {
                    batch: BatchNumber::FIRST,
                    stan: stan(3),
                    date: "1118".into(),
                    rrn: "112233445566".parse().unwrap(),
                    auth: Some("A1B2C3".into()),
                    at: Some(AT),
                });
                let order = Order { kind, entry, original, ..desk.order.clone() };
                let frame = desk.composer().transaction(&order, stan(7)).unwrap();
                let message = dialect.parse(&frame[2..]).unwrap();
                assert_eq!(
                    message.mti(),
                    request_mti(desk.terminal.speech.version(), Asking::Transaction(kind))
                );
                let de = if message.has(128) { 128 } else { 64 };
                let (received, at) = (message.bytes_owned(de).unwrap(), message.offset(de).unwrap());
                let covered = &message.body()[..at];
                assert!(desk.mac.verify_truncated(covered, &received), "{name} {kind:?}");
                assert_eq!(received.len() == 4, name.starts_with("iso2003"));
                let pin = message.bytes_owned(52).unwrap();
                let pin = TdesCipher::new(&DesKey::from_slice(&[0x1A; 16]).unwrap())
                    .decrypt_block(<[u8; 8]>::try_from(&pin[..]).unwrap());
                let digits = desk.order.card.pan.expose().as_bytes();
                let pin = switchyard_keys::pin::decode_iso0(&pin, digits).unwrap();
                let right = switchyard_keys::pin::Pin::new(desk.order.card.pin.expose().as_bytes()).unwrap();
                assert!(pin.matches(&right), "{name} {kind:?}");
            }
        }
    }
}

#[test]
fn an_answer_is_believed_with_its_mac_and_its_amount_only() {
    let other = MacKey::new(MacProfile::from(TerminalMac::X919).algorithm, &[0x3C; 16]).unwrap();
    for name in LinkDialect::ALL.map(LinkDialect::name) {
        let mut desk = desk(name);
        let approved = desk.spelled(0);
        let reply = desk.answer(&approved, 1_250, Some(&desk.mac)).unwrap().unwrap();
        assert!(reply.is_approved() && reply.has_mac && reply.amount_minor == Some(1_250), "{name}");
        let untrusted = |answer| matches!(answer, Err(SimError::Untrusted { .. }));
        assert!(untrusted(desk.answer(&approved, 1_250, Some(&other))), "{name}");
        assert!(untrusted(desk.answer(&approved, 1_250, None)), "{name}");
        assert!(untrusted(desk.answer(&approved, 1_251, Some(&desk.mac))), "{name}");
        let part = desk.spelled(2);
        assert!(untrusted(desk.answer(&part, 1_000, Some(&desk.mac))), "{name}: it takes no part");
        desk.terminal.speech.takes_partial = true;
        let reply = desk.answer(&part, 1_000, Some(&desk.mac)).unwrap().unwrap();
        assert_eq!((reply.code, reply.approved_minor(1_250)), (Some(ResponseCode::PARTIAL), 1_000), "{name}");
        desk.terminal.speech.carries_mac = false;
        assert!(desk.answer(&approved, 1_250, None).unwrap().unwrap().has_mac, "{name}: none is needed");
    }
}

#[test]
fn results_that_an_edition_spells_alike_are_one() {
    let code = |text: &str| text.parse::<ResponseCode>().unwrap();
    for (meant, first, later) in
        [("00", "00", "00"), ("98", "68", "68"), ("64", "64", "13"), ("15", "15", "92"), ("97", "58", "58")]
    {
        assert_eq!(heard_as(MtiVersion::Iso1987, code(meant)), code(first));
        assert_eq!(heard_as(MtiVersion::Iso1993, code(meant)), code(later));
        assert_eq!(heard_as(MtiVersion::Iso2003, code(meant)), code(later));
    }
    for (version, text, heard) in [
        (MtiVersion::Iso1993, "400", "00"),
        (MtiVersion::Iso1993, "504", "95"),
        (MtiVersion::Iso2003, "5004", "95"),
        (MtiVersion::Iso2003, "9114", "25"),
        (MtiVersion::Iso2003, "1016", "51"),
        (MtiVersion::Iso1993, "999", "05"),
    ] {
        assert_eq!(result::read(version, text), Some(code(heard)), "{text}");
    }
}
