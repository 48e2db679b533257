//! Decisions of the test host.

use crate::issuer::{Account, IssuerBook, IssuerRequest, OriginalKey, PinEntry, RequestKind};
use crate::terminal::{Selector, dialect, selector, totals_digits};
use crate::world::{DemoTerminal, DemoWorld};
use std::collections::{BTreeMap, HashMap};
use switchyard_domain::{
    BatchNumber, BatchSide, BatchTotals, Pan, ResponseCode, Rrn, Stan, TerminalId, TransactionKind,
};
use switchyard_keys::lmk::KeyAlgorithm;
use switchyard_keys::mac::MacKey;
use switchyard_keys::pin::decode_iso0;
use switchyard_keys::working_keys::{MacProfile, WorkingKeyBlock, WrappedPart};
use switchyard_keys::{DesKey, TdesCipher, set_odd_parity, track};
use switchyard_wire::{Message, Mti, MtiClass};

const KINDS: [TransactionKind; 14] = [
    TransactionKind::Sale,
    TransactionKind::Void,
    TransactionKind::Refund,
    TransactionKind::BalanceInquiry,
    TransactionKind::PreAuth,
    TransactionKind::PreAuthVoid,
    TransactionKind::Completion,
    TransactionKind::CompletionVoid,
    TransactionKind::CompletionAdvice,
    TransactionKind::OfflineSale,
    TransactionKind::Tip,
    TransactionKind::CashAdvance,
    TransactionKind::CardRepayment,
    TransactionKind::TopUp,
];

struct Post {
    spec: DemoTerminal,
    keys: Option<(TdesCipher, MacKey, Option<TdesCipher>)>,
    batch: BatchNumber,
}

#[derive(Clone)]
struct Taken {
    key: OriginalKey,
    kind: TransactionKind,
    amount_minor: u64,
    is_foreign: bool,
    code: ResponseCode,
    rrn: Rrn,
    auth: Option<[u8; 6]>,
    balance_minor: Option<u64>,
}

type RequestKey = (TerminalId, BatchNumber, Stan);

pub(super) struct Host {
    posts: HashMap<TerminalId, Post>,
    book: IssuerBook,
    taken: BTreeMap<RequestKey, Taken>,
    next: u32,
}

impl Host {
    pub(super) fn new(world: &DemoWorld) -> Self {
        let accounts: Vec<Account> = world.cards.iter().map(|card| Account::of(card).unwrap()).collect();
        let posts = world
            .terminals
            .iter()
            .cloned()
            .map(|spec| (spec.tid, Post { batch: spec.batch, keys: None, spec }));
        Self {
            posts: posts.collect(),
            book: IssuerBook::new(accounts, 5_000_000, *b"2611"),
            taken: BTreeMap::new(),
            next: 1,
        }
    }
    pub(super) fn standing(&self) -> BTreeMap<Rrn, u64> {
        let entries = self.book.entries().iter().filter(|entry| !entry.reversed);
        entries.map(|entry| (entry.rrn, entry.amount_minor)).collect()
    }

    pub(super) fn handle(&mut self, body: &[u8]) -> Vec<u8> {
        let Ok(message) = dialect().parse(body) else {
            let mti = Mti::from_bcd(u16::from_be_bytes([body[0], body[1]])).unwrap();
            let mut out = Vec::new();
            dialect().builder(&mut out, mti.reply()).text(39, "30").unwrap().finish().unwrap();
            return out;
        };
        let tid = TerminalId::try_from(message.raw(41).unwrap()).unwrap();
        if !self.posts.contains_key(&tid) {
            return bare(&message, ResponseCode::UNKNOWN_TERMINAL);
        }
        match message.mti().class() {
            MtiClass::Network => self.manage(&message, tid),
            MtiClass::Reconciliation => self.settle(&message, tid),
            MtiClass::FileAction => self.upload(&message, tid),
            _ => self.financial(&message, tid),
        }
    }

    fn manage(&mut self, message: &Message<'_, '_>, tid: TerminalId) -> Vec<u8> {
        let digits = message.text(60).unwrap().into_owned();
        let post = self.posts.get_mut(&tid).unwrap();
        let mut block = None;
        match &digits[8..11] {
            "003" | "004" => {
                let key = |len: usize, fill: u32| {
                    let mut bytes = [0; 16];
                    bytes.copy_from_slice(
                        &u128::from(fill).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060).to_be_bytes(),
                    );
                    set_odd_parity(&mut bytes);
                    DesKey::from_slice(&bytes[16 - len..]).unwrap()
                };
                let MacProfile { algorithm, length, cipher } = post.spec.mac.into();
                let (pik, mak) = (key(16, self.next), key(length.bytes(), self.next + 1));
                let tdk = post.spec.track_key.then(|| key(16, self.next + 2));
                self.next += 3;
                let tmk = TdesCipher::new(&post.spec.tmk.des());
                let part = |algorithm, key: &DesKey| WrappedPart::new(&tmk, algorithm, key.expose()).unwrap();
                let (pik_part, mak_part) = (part(KeyAlgorithm::Tdes, &pik), part(cipher, &mak));
                let tdk_part = tdk.as_ref().map(|tdk| part(KeyAlgorithm::Tdes, tdk));
                block = Some(WorkingKeyBlock::assemble(&pik_part, &mak_part, tdk_part.as_ref()).unwrap());
                let mac = MacKey::new(algorithm, mak.expose()).unwrap();
                post.keys = Some((TdesCipher::new(&pik), mac, tdk.as_ref().map(TdesCipher::new)));
            }
            "002" => post.keys = None,
            _ => {}
        }
        let batch = post.batch;
        let mut out = Vec::new();
        let mut b = dialect().builder(&mut out, message.mti().reply());
        b.echo(message, 11).unwrap().number(12, 101_112).unwrap().number(13, 1_122).unwrap();
        b.text(39, "00").unwrap().echo(message, 41).unwrap().echo(message, 42).unwrap();
        b.text(60, &format!("00{batch}{}", &digits[8..11])).unwrap();
        if let Some(block) = block {
            b.bytes(62, &block).unwrap();
        }
        b.finish().unwrap();
        out
    }

    fn settle(&mut self, message: &Message<'_, '_>, tid: TerminalId) -> Vec<u8> {
        let post = self.posts.get_mut(&tid).unwrap();
        if !message.text(60).unwrap()[2..].starts_with(&post.batch.to_string()) {
            return bare(message, ResponseCode::SIGN_ON_REQUIRED);
        }
        let mut totals = BatchTotals::default();
        let rows = self.taken.range((tid, post.batch, Stan::try_from(0).unwrap())..);
        for (_, row) in rows.take_while(|((t, b, _), _)| (*t, *b) == (tid, post.batch)) {
            let is_reversed = self.book.entries().iter().any(|entry| entry.rrn == row.rrn && entry.reversed);
            if row.code != ResponseCode::APPROVED || is_reversed {
                continue;
            }
            let sums = if row.is_foreign { &mut totals.foreign } else { &mut totals.domestic };
            match row.kind.batch_side() {
                Some(BatchSide::Debit) => sums.debit.add(row.amount_minor),
                Some(BatchSide::Credit) => sums.credit.add(row.amount_minor),
                None => {}
            }
        }
        let (mine, theirs) = (totals_digits(&totals), message.text(48).unwrap().into_owned());
        let verdict =
            |range: std::ops::Range<usize>| if mine[range.clone()] == theirs[range] { "1" } else { "2" };
        let digits = format!("{}{}{}{}", &mine[..30], verdict(0..30), &mine[31..61], verdict(31..61));
        if digits[30..31] == *"1" && digits[61..] == *"1" {
            post.batch = post.batch.next();
        }
        let mut out = Vec::new();
        let mut b = dialect().builder(&mut out, message.mti().reply());
        b.echo(message, 11).unwrap().echo(message, 41).unwrap().echo(message, 42).unwrap();
        b.text(48, &digits).unwrap().echo(message, 49).unwrap().echo(message, 60).unwrap();
        b.finish().unwrap();
        out
    }

    fn upload(&mut self, message: &Message<'_, '_>, tid: TerminalId) -> Vec<u8> {
        let post = self.posts.get_mut(&tid).unwrap();
        let digits = message.text(60).unwrap().into_owned();
        if !digits[2..].starts_with(&post.batch.to_string()) {
            return bare(message, ResponseCode::SIGN_ON_REQUIRED);
        }
        if digits.ends_with("202") {
            post.batch = post.batch.next();
        }
        bare(message, ResponseCode::APPROVED)
    }

    fn financial(&mut self, message: &Message<'_, '_>, tid: TerminalId) -> Vec<u8> {
        let post = &self.posts[&tid];
        let Some((_, mac, _)) = &post.keys else { return bare(message, ResponseCode::SIGN_ON_REQUIRED) };
        if !mac.verify(&message.body()[..message.offset(64).unwrap()], message.raw(64).unwrap()) {
            return bare(message, ResponseCode::MAC_ERROR);
        }
        let digits = message.text(60).unwrap().into_owned();
        let batch = BatchNumber::try_from(digits[2..8].parse::<u64>().unwrap()).unwrap();
        if batch != post.batch {
            return bare(message, ResponseCode::SIGN_ON_REQUIRED);
        }
        let key = (tid, batch, Stan::try_from(message.number(11).unwrap()).unwrap());
        let pan = self.pan(message, tid);
        if message.mti().class() == MtiClass::Reversal {
            return self.reverse(message, key, pan);
        }
        if !self.taken.contains_key(&key) {
            let taken = self.take(message, key, pan);
            self.taken.insert(key, taken);
        }
        let taken = self.taken[&key].clone();
        self.answer(message, tid, &taken)
    }

    fn take(&mut self, message: &Message<'_, '_>, key: RequestKey, pan: Pan) -> Taken {
        let kind = kind_of(message);
        let Selector { mti, .. } = selector(kind);
        let number = self.next;
        self.next += 1;
        let rrn: Rrn = format!("{number:012}").parse().unwrap();
        let original = message.text(61).map(|text| {
            let part = |range: std::ops::Range<usize>| text[range].parse::<u64>().unwrap();
            let batch = BatchNumber::try_from(part(0..6)).unwrap();
            self.taken[&(key.0, batch, Stan::try_from(part(6..12)).unwrap())].key
        });
        let request_key = OriginalKey { mti: mti.as_u16(), stan: number, transmitted: 0 };
        let routed = ["621234", "4111", "622588", "5555"].iter().any(|bin| pan.is_between(bin, bin));
        let is_foreign = pan.is_between("4111", "4111") || pan.is_between("5555", "5555");
        let amount_minor = message.number(4).unwrap_or(0);
        let pin = self.pin(message, key.0, &pan);
        let request = IssuerRequest {
            is_advice: kind.is_advice(),
            has_chip: false,
            lacks_cryptogram: false,
            script_results: None,
            key: request_key,
            rrn,
            kind: RequestKind::Transaction(kind),
            pan,
            amount_minor,
            expiry: None,
            pin,
            original,
        };
        let answer = self.book.handle(&request).0;
        let code = if routed { answer.code } else { ResponseCode::NO_SUCH_ISSUER };
        let (auth, balance_minor) = (answer.auth, answer.balance_minor);
        Taken { key: request_key, kind, amount_minor, is_foreign, code, rrn, auth, balance_minor }
    }

    fn reverse(&mut self, message: &Message<'_, '_>, key: RequestKey, pan: Pan) -> Vec<u8> {
        let rrn: Rrn = "999999999999".parse().unwrap();
        if let Some(taken) = self.taken.get(&key) {
            let request = IssuerRequest {
                is_advice: false,
                has_chip: false,
                lacks_cryptogram: false,
                script_results: None,
                key: OriginalKey { mti: 0x0400, stan: self.next, transmitted: 0 },
                rrn,
                kind: RequestKind::Reversal,
                pan,
                amount_minor: taken.amount_minor,
                expiry: None,
                pin: PinEntry::None,
                original: Some(taken.key),
            };
            self.book.handle(&request);
        }
        let code = ResponseCode::APPROVED;
        let taken = Taken {
            key: OriginalKey { mti: 0x0400, stan: 0, transmitted: 0 },
            kind: TransactionKind::Sale,
            amount_minor: 0,
            is_foreign: false,
            code,
            rrn,
            auth: None,
            balance_minor: None,
        };
        self.answer(message, key.0, &taken)
    }

    fn answer(&self, message: &Message<'_, '_>, tid: TerminalId, taken: &Taken) -> Vec<u8> {
        let mut out = Vec::new();
        let mut b = dialect().builder(&mut out, message.mti().reply());
        b.echo(message, 3).unwrap().echo(message, 4).unwrap().echo(message, 11).unwrap();
        b.number(12, 101_112).unwrap().number(13, 1_122).unwrap().bytes(37, taken.rrn.as_bytes()).unwrap();
        if let Some(auth) = &taken.auth {
            b.bytes(38, auth).unwrap();
        }
        b.text(39, taken.code.as_str()).unwrap().echo(message, 41).unwrap().echo(message, 42).unwrap();
        b.echo(message, 49).unwrap();
        if let Some(minor) = taken.balance_minor {
            b.text(54, &format!("1002156C{minor:012}")).unwrap();
        }
        b.echo(message, 60).unwrap();
        let (_, mac, _) = self.posts[&tid].keys.as_ref().unwrap();
        b.finish_with_mac(64, |body| *mac.compute(body).as_bytes()).unwrap();
        out
    }

    fn pan(&self, message: &Message<'_, '_>, tid: TerminalId) -> Pan {
        if let Some(pan) = message.text(2) {
            return Pan::from_digits(pan.as_bytes()).unwrap();
        }
        let mut packed = message.raw(35).unwrap().to_vec();
        if message.text(53).is_some_and(|digits| &digits[2..3] == "1") {
            let (_, _, tdk) = self.posts[&tid].keys.as_ref().unwrap();
            track::decrypt_in_place(tdk.as_ref().unwrap(), &mut packed).unwrap();
        }
        let digits = crate::hex::encode(&packed);
        Pan::from_digits(digits.split('D').next().unwrap().as_bytes()).unwrap()
    }

    fn pin(&self, message: &Message<'_, '_>, tid: TerminalId, pan: &Pan) -> PinEntry {
        let Some(block) = message.raw(52) else { return PinEntry::None };
        let (pik, _, _) = self.posts[&tid].keys.as_ref().unwrap();
        let mut digits = [0; Pan::DIGITS_MAX];
        let len = pan.write_digits(&mut digits);
        let clear = pik.decrypt_block(block.try_into().unwrap());
        decode_iso0(&clear, &digits[..len]).map_or(PinEntry::Unreadable, PinEntry::Clear)
    }
}

/// What a request is, by its message type, DE 3 and 60.1: no one of them tells all kinds apart.
fn kind_of(message: &Message<'_, '_>) -> TransactionKind {
    let (mti, code) = (message.mti(), message.number(3).unwrap());
    let type_code: u8 = message.text(60).unwrap()[..2].parse().unwrap();
    let is = |kind: &&TransactionKind| {
        let known = selector(**kind);
        (known.mti, known.processing_code, known.type_code) == (mti, code, type_code)
    };
    *KINDS.iter().find(is).unwrap()
}

/// An answer without F64.
fn bare(message: &Message<'_, '_>, code: ResponseCode) -> Vec<u8> {
    let mut out = Vec::new();
    let mut b = dialect().builder(&mut out, message.mti().reply());
    b.echo(message, 11).unwrap().text(39, code.as_str()).unwrap();
    b.echo(message, 41).unwrap().echo(message, 42).unwrap().echo(message, 60).unwrap();
    b.finish().unwrap();
    out
}
