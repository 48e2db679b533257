//! What a terminal puts on the wire, byte by byte, and what it reads back from its journal.

use super::ask::Asking;
use super::compose::{Composer, UploadItem, totals_digits};
use super::keys::SessionKeys;
use super::order::selector;
use super::reply::{Expectation, Reply};
use super::state::TerminalState;
use super::*;
use crate::error::SimError;
use crate::hex;
use crate::journal::{EntryMode, Journal, OriginalRef};
use crate::journal::{JournalLine, LineKind};
use crate::world::{
    CheckValue, Concealed, DemoCard, DemoKey, DemoSize, DemoTerminal, DemoWorld, KeySource, Tpdu,
};
use std::path::PathBuf;
use std::sync::Arc;
use switchyard_domain::{BatchNumber, Stan};
use switchyard_domain::{BatchSums, BatchTotals, Side, TerminalMac, Timestamp, TransactionKind};
use switchyard_keys::lmk::KeyAlgorithm;
use switchyard_keys::pin::{Pin, decode_iso0};
use switchyard_keys::working_keys::{MacProfile, WorkingKeyBlock, WrappedPart};
use switchyard_keys::{DesKey, TdesCipher, track};
use switchyard_wire::Mti;
use switchyard_wire::{Envelope, EnvelopeKind, Message};

const PIK: [u8; 16] = [0x22; 16];
const TDK: [u8; 16] = [0x44; 16];

fn world() -> DemoWorld {
    DemoWorld::generate(9, &DemoSize::default(), KeySource::Seeded).unwrap()
}

/// A terminal of the world with this profile, and the keys that a sign-on would give it.
fn signed_on(mac: TerminalMac, track_key: bool) -> (DemoTerminal, SessionKeys) {
    let mut terminal = world().terminals[0].clone();
    (terminal.mac, terminal.track_key) = (mac, track_key);
    let mak: &[u8] = match mac {
        TerminalMac::CupEcb | TerminalMac::X99 => &[0x33; 8],
        TerminalMac::CupEcbDouble
        | TerminalMac::X919
        | TerminalMac::CmacTdes
        | TerminalMac::CmacAes
        | TerminalMac::Sm4 => &[0x35; 16],
    };
    let key = |bytes: &[u8]| DesKey::from_slice(bytes).unwrap();
    let tdk = track_key.then(|| key(&TDK));
    let tmk = TdesCipher::new(&terminal.tmk.des());
    let part = |algorithm, key: &[u8]| WrappedPart::new(&tmk, algorithm, key).unwrap();
    let (pik, mak) = (part(KeyAlgorithm::Tdes, &PIK), part(MacProfile::from(mac).cipher, mak));
    let tdk = tdk.map(|tdk| part(KeyAlgorithm::Tdes, tdk.expose()));
    let block = WorkingKeyBlock::assemble(&pik, &mak, tdk.as_ref()).unwrap();
    let keys = SessionKeys::open(&terminal, &block).unwrap();
    (terminal, keys)
}

fn order(kind: TransactionKind, entry: EntryMode) -> Order {
    let card = Arc::new(world().cards[0].clone());
    let original = kind.follows_another().then(|| OriginalRef {
        batch: BatchNumber::FIRST,
        stan: stan(7),
        date: "1122".to_owned(),
        rrn: "112233445566".parse().unwrap(),
        auth: Some("A1B2C3".to_owned()),
        at: None,
    });
    let pin = matches!(entry, EntryMode::Stripe | EntryMode::Contact).then(|| card.pin.clone());
    let amount_minor = if kind == TransactionKind::BalanceInquiry { 0 } else { 12_345 };
    Order { kind, amount_minor, card, entry, pin, original, tamper: Tamper::None, at: Timestamp(0) }
}

fn stan(number: u64) -> Stan {
    Stan::try_from(number).unwrap()
}

/// The body of a frame, after its length and envelope were checked.
fn body(frame: &[u8]) -> Vec<u8> {
    let length = usize::from(u16::from_be_bytes([frame[0], frame[1]]));
    assert_eq!(length, frame.len() - 2);
    let (envelope, body) = Envelope::split(&frame[2..], EnvelopeKind::TpduHeader).unwrap();
    assert_eq!(envelope.tpdu, Some([0x60, 0x00, 0x03, 0x00, 0x00]));
    body.to_vec()
}

fn fields(message: &Message<'_, '_>) -> Vec<u8> {
    message.elements().collect()
}

#[test]
fn every_transaction_has_its_mandatory_fields_and_a_right_mac() {
    use TransactionKind::*;
    // Section 5 of the UnionPay notes: request and reversal must have.
    type Row = (TransactionKind, &'static [u8], Option<&'static [u8]>);
    let table: [Row; 8] = [
        (Sale, &[3, 4, 11, 22, 25, 41, 42, 49, 60, 64], Some(&[3, 4, 11, 22, 25, 39, 41, 42, 49, 60, 64])),
        (
            Void,
            &[3, 4, 11, 22, 25, 37, 41, 42, 49, 60, 61, 64],
            Some(&[3, 4, 11, 22, 25, 39, 41, 42, 49, 60, 61, 64]),
        ),
        (Refund, &[3, 4, 11, 22, 25, 37, 41, 42, 49, 60, 61, 63, 64], None),
        (BalanceInquiry, &[3, 11, 22, 25, 41, 42, 49, 60, 64], None),
        (PreAuth, &[3, 4, 11, 22, 25, 41, 42, 49, 60, 64], Some(&[3, 4, 11, 22, 25, 39, 41, 42, 49, 60, 64])),
        (
            PreAuthVoid,
            &[3, 4, 11, 22, 25, 38, 41, 42, 49, 60, 61, 64],
            Some(&[2, 3, 4, 11, 22, 25, 38, 39, 41, 42, 49, 60, 61, 64]),
        ),
        (
            Completion,
            &[3, 4, 11, 22, 25, 38, 41, 42, 49, 60, 61, 64],
            Some(&[3, 4, 11, 22, 25, 38, 39, 41, 42, 49, 60, 61, 64]),
        ),
        (
            CompletionVoid,
            &[3, 4, 11, 22, 25, 37, 41, 42, 49, 60, 61, 64],
            Some(&[3, 4, 11, 22, 25, 39, 41, 42, 49, 60, 61, 64]),
        ),
    ];
    for mac in [
        TerminalMac::CupEcb,
        TerminalMac::CupEcbDouble,
        TerminalMac::X99,
        TerminalMac::X919,
        TerminalMac::CmacTdes,
        TerminalMac::CmacAes,
        TerminalMac::Sm4,
    ] {
        let (terminal, keys) = signed_on(mac, false);
        let composer =
            Composer { terminal: &terminal, batch: BatchNumber::FIRST, keys: Some(&keys), now: Timestamp(0) };
        for (kind, request, reversal) in table {
            for entry in [EntryMode::Manual, EntryMode::Stripe, EntryMode::Contact, EntryMode::Contactless] {
                let order = order(kind, entry);
                check(&composer.transaction(&order, stan(12)).unwrap(), request, &keys, kind);
                if let Some(reversal) = reversal {
                    check(&composer.reversal(&order, stan(12), "98").unwrap(), reversal, &keys, kind);
                }
            }
        }
    }
}

fn check(frame: &[u8], mandatory: &[u8], keys: &SessionKeys, kind: TransactionKind) {
    let body = body(frame);
    let message = dialect().parse(&body).unwrap();
    for de in mandatory {
        assert!(message.has(*de), "{kind:?} {} lacks {de}", message.mti());
    }
    assert!(message.has(2) || message.has(35), "{kind:?} names no card");
    let covered = &body[..message.offset(64).unwrap()];
    assert!(keys.mac.verify(covered, message.raw(64).unwrap()), "{kind:?} {}", message.mti());
    assert_eq!(message.number(3), Some(selector(kind).processing_code));
    assert_eq!(message.number(25), Some(selector(kind).condition));
    let type_code = format!("{:02}000001000", selector(kind).type_code);
    assert!(message.text(60).unwrap().starts_with(&type_code), "{kind:?}");
    if let Some(original) = message.text(61) {
        assert_eq!(original, "0000010000071122");
    }
}

#[test]
fn a_stripe_sale_hides_its_number_and_enciphers_pin_and_track() {
    let (terminal, keys) = signed_on(TerminalMac::CupEcb, true);
    let composer =
        Composer { terminal: &terminal, batch: BatchNumber::FIRST, keys: Some(&keys), now: Timestamp(0) };
    let order = order(TransactionKind::Sale, EntryMode::Stripe);
    let body = body(&composer.transaction(&order, stan(3)).unwrap());
    let message = dialect().parse(&body).unwrap();
    assert_eq!(fields(&message), [3, 4, 11, 22, 25, 26, 35, 41, 42, 49, 52, 53, 60, 64]);
    assert_eq!(
        (message.text(22).unwrap().as_ref(), message.text(53).unwrap().as_ref()),
        ("021", "2610000000000000")
    );
    let mut packed = message.raw(35).unwrap().to_vec();
    track::decrypt_in_place(&TdesCipher::new(&DesKey::from_slice(&TDK).unwrap()), &mut packed).unwrap();
    let expected = format!("{}0", order.card.track2().expose().replace('=', "D"));
    assert_eq!(hex::encode(&packed), expected[..packed.len() * 2]);
    let block: [u8; 8] = message.raw(52).unwrap().try_into().unwrap();
    let clear = TdesCipher::new(&DesKey::from_slice(&PIK).unwrap()).decrypt_block(block);
    let pin = decode_iso0(&clear, order.card.pan.expose().as_bytes()).unwrap();
    assert!(pin.matches(&Pin::new(order.card.pin.expose().as_bytes()).unwrap()));
}

#[test]
fn chip_and_typed_sales_have_their_fields() {
    let (terminal, keys) = signed_on(TerminalMac::CupEcb, false);
    let composer =
        Composer { terminal: &terminal, batch: BatchNumber::FIRST, keys: Some(&keys), now: Timestamp(0) };
    let table: [(EntryMode, &str, &[u8]); 3] = [
        (EntryMode::Contact, "051", &[2, 3, 4, 11, 14, 22, 23, 25, 26, 35, 41, 42, 49, 52, 53, 55, 60, 64]),
        (EntryMode::Contactless, "072", &[2, 3, 4, 11, 22, 23, 25, 35, 41, 42, 49, 55, 60, 64]),
        (EntryMode::Manual, "012", &[2, 3, 4, 11, 14, 22, 25, 41, 42, 49, 60, 64]),
    ];
    for (entry, mode, present) in table {
        let order = order(TransactionKind::Sale, entry);
        let first = composer.transaction(&order, stan(4)).unwrap();
        assert_eq!(first, composer.transaction(&order, stan(4)).unwrap(), "a repeat is identical");
        let body = body(&first);
        let message = dialect().parse(&body).unwrap();
        assert_eq!(fields(&message), present, "{entry:?}");
        assert_eq!(message.text(22).unwrap(), mode);
        if message.has(55) {
            assert_eq!(message.tlv(55).filter(Result::is_ok).count(), 20);
        }
    }
}

/// The published sign-on requests of the UnionPay notes, section 12, with their MTI to last field.
#[test]
fn sign_on_is_byte_for_byte_what_terminals_send() {
    let mut terminal = world().terminals[0].clone();
    terminal.tid = "90361748".parse().unwrap();
    terminal.mid = "923011753991695".parse().unwrap();
    terminal.track_key = true;
    let composer = Composer { terminal: &terminal, batch: BatchNumber::FIRST, keys: None, now: Timestamp(0) };
    let body = body(&composer.sign_on(stan(16)).unwrap());
    let published = "08000020000000C000120000163930333631373438393233303131373533393931363935\
                     00110000000100400003303120";
    assert_eq!(hex::encode(&body), published.replace(char::is_whitespace, ""));
}

#[test]
fn settlement_totals_stand_as_published() {
    let totals = BatchTotals {
        domestic: BatchSums { debit: Side { amount_minor: 7, count: 7 }, ..BatchSums::default() },
        ..BatchTotals::default()
    };
    assert_eq!(totals_digits(&totals), format!("000000000007007{}", "0".repeat(47)));
    let terminal = world().terminals[0].clone();
    let composer = Composer { terminal: &terminal, batch: BatchNumber::FIRST, keys: None, now: Timestamp(0) };
    let settlement = body(&composer.settlement(stan(645), &totals).unwrap());
    assert_eq!(fields(&dialect().parse(&settlement).unwrap()), [11, 41, 42, 48, 49, 60, 63]);
    let item = UploadItem {
        is_foreign: true,
        stan: stan(5),
        pan: Concealed::new("4111111111111111"),
        amount_minor: 100,
        at: Timestamp(0),
    };
    let upload = body(&composer.upload(stan(646), &[item]).unwrap());
    let message = dialect().parse(&upload).unwrap();
    assert_eq!(fields(&message), [11, 41, 42, 48, 60]);
    let mut buffer = [0; 322];
    assert_eq!(message.digits(48, &mut buffer).unwrap(), b"010100000500004111111111111111000000000100");
    let end = body(&composer.upload_end(stan(647), 1).unwrap());
    let message = dialect().parse(&end).unwrap();
    assert_eq!(message.text(48).unwrap(), "0001");
    assert_eq!(message.text(60).unwrap(), "00000001202");
}

#[test]
fn the_published_sign_on_reply_gives_its_keys() {
    let frame = hex::decode(
        "60000001386131003111080810003800010AC000145002112213010720080008550032323133303134393133\
         3239303039393939393930363030313433303137303131393939390011000005190030004046F161A743497B\
         32EAC760DF5EA57DF5900ECCE3977731A7EA402DDF0000000000000000CFF1592A"
            .replace(char::is_whitespace, "")
            .as_str(),
    )
    .unwrap();
    let mut terminal = world().terminals[0].clone();
    terminal.tid = "99999906".parse().unwrap();
    terminal.mid = "001430170119999".parse().unwrap();
    let tmk: [u8; 16] = hex::decode("258FB0AB70D025CDB99DF2C4D302D646").unwrap().try_into().unwrap();
    terminal.tmk = DemoKey::new(tmk);
    terminal.tpdu = Tpdu([0x60, 0x01, 0x38, 0x00, 0x00]);
    let expected = Expectation {
        mti: Mti::new(0x0810),
        stan: Some(stan(500_211)),
        amount_minor: None,
        has_mac: false,
        is_loose: false,
        named: None,
    };
    let reply = Reply::read(&frame, &terminal, None, &expected).unwrap().unwrap();
    assert_eq!(reply.batch, BatchNumber::try_from(519).ok());
    assert!(SessionKeys::open(&terminal, reply.keys.as_deref().unwrap()).is_ok());
    terminal.tmk = DemoKey::new([0x11; 16]);
    assert!(matches!(
        SessionKeys::open(&terminal, reply.keys.as_deref().unwrap()),
        Err(SimError::WorkingKeys(_))
    ));
    assert_ne!(CheckValue(terminal.tmk.check_value()), terminal.kcv);
}

/// A file of its own in the system's temporary directory, gone at the end.
struct TempFile(PathBuf);
impl TempFile {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("switchyard-sim-{}-{name}", std::process::id())))
    }
}
impl Drop for TempFile {
    fn drop(&mut self) {
        // Best effort: a temporary file left behind harms nobody.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn line(terminal: &Terminal, order: &Order, number: u64, code: Option<&str>) -> JournalLine {
    let mut line = terminal.order_line(order, BatchNumber::FIRST, stan(number), 1);
    if let Some(code) = code {
        line.t = LineKind::Rep;
        line.code = Some(code.parse().unwrap());
    }
    line
}

#[test]
fn a_terminal_goes_on_where_its_journal_ends() {
    let file = TempFile::new("resume.jsonl");
    let world = world();
    let cards: Vec<Arc<DemoCard>> = world.cards.iter().cloned().map(Arc::new).collect();
    let options = TerminalOptions::new("127.0.0.1:1");
    let journal = Arc::new(Journal::open(&file.0).unwrap());
    let terminal = Terminal::new(world.terminals[0].clone(), options.clone(), None).unwrap();
    let sale = order(TransactionKind::Sale, EntryMode::Stripe);
    let mut reversal = line(&terminal, &sale, 4, None);
    reversal.kind = MessageKind::Admin(AdminKind::Reversal);
    for entry in [
        line(&terminal, &sale, 2, None),
        line(&terminal, &sale, 2, Some("00")),
        line(&terminal, &sale, 3, None),
        line(&terminal, &sale, 3, Some("51")),
        line(&terminal, &sale, 4, None),
        reversal,
        line(&terminal, &sale, 5, None),
    ] {
        journal.append(&entry).unwrap();
    }
    drop(journal);
    // What a kill leaves: half a line, ignored by the reader and cut by the next writer.
    std::fs::OpenOptions::new()
        .append(true)
        .open(&file.0)
        .and_then(|mut f| std::io::Write::write_all(&mut f, b"{\"t\":\"req\",\"ti"))
        .unwrap();
    let lines = Journal::read(&file.0).unwrap();
    assert_eq!(lines.len(), 7);
    assert!(!std::fs::read_to_string(&file.0).unwrap().contains(sale.card.pan.expose()));
    let (state, unanswered) = TerminalState::resume(&world.terminals[0], &lines, &cards);
    assert_eq!(state.totals(None).domestic.debit, Side { amount_minor: 12_345, count: 1 });
    assert_eq!(state.pending.as_ref().map(|p| p.stan), Some(stan(4)));
    assert_eq!(unanswered.iter().map(|u| u.stan).collect::<Vec<_>>(), [stan(5)]);
    let mut resumed = Terminal::resume(world.terminals[0].clone(), options, None, &lines, &cards).unwrap();
    assert_eq!(resumed.unanswered_count(), 2);
    assert_eq!(resumed.state.take_stan(), stan(6));
    assert!(!state.is_closing);
    let mut begun = lines.clone();
    begun.push(resumed.admin_line(AdminKind::Settlement, stan(6), Asking::Totals));
    let (state, _) = TerminalState::resume(&world.terminals[0], &begun, &cards);
    assert!(state.is_closing, "a close that had begun is ended first");
    begun[7].closed = true;
    let (state, _) = TerminalState::resume(&world.terminals[0], &begun, &cards);
    assert!(!state.is_closing && state.batch == BatchNumber::FIRST.next());
    // A terminal killed while it repeats a reversal still owes it.
    let mut repeated = lines.clone();
    repeated.push(JournalLine { attempt: 2, ..lines[5].clone() });
    let (state, unanswered) = TerminalState::resume(&world.terminals[0], &repeated, &cards);
    assert_eq!(state.pending.map(|p| (p.stan, p.order.amount_minor)), Some((stan(4), 12_345)));
    assert_eq!(unanswered.len(), 1);
    Journal::open(&file.0).unwrap().append(&lines[0]).unwrap();
    assert_eq!(Journal::read(&file.0).unwrap().len(), 8);
}
