//! Keys and sealed cards, as the key store of a switch has them, with two differences that make one seed one run: keys come
//! from the seed, and "wrapped" means written down. What depends on a key (MAC, PIN, track) is computed for real.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::chip;
use switchyard_core::{ChipOutcome, Financial, KeyForm, MadeKeys, PinJob, PinOutcome, ZonePin};
use switchyard_domain::{
    CardHash, CardRef, Expiry, KeyRecord, LinkIndex, Pan, PinBlock, SealedPan, Terminal, TerminalMac,
    WorkingKeys, WrappedKey,
};
use switchyard_keys::lmk::KeyAlgorithm;
use switchyard_keys::mac::MacKey;
use switchyard_keys::pin::{self, Pin, PinError, PinFormat};
use switchyard_keys::working_keys::{MacProfile, WorkingKeyBlock};
use switchyard_keys::{DesKey, TdesCipher, kcv, set_odd_parity};
use switchyard_simulator::random::Random;
use switchyard_simulator::world::{DemoCard, DemoKey, DemoLink, DemoWorld};

/// Index of the PIN verification key in a PVV.
const PVV_KEY_INDEX: u8 = 1;

/// A terminal's working keys, ready to use.
pub(crate) struct TerminalKeys {
    pub(crate) version: u32,
    pub(crate) mac: MacKey,
    pub(crate) pin: TdesCipher,
    pub(crate) track: Option<TdesCipher>,
}

/// The key store. It is a device of its own: a crash of the switch does not touch it.
pub(crate) struct Hsm {
    random: Random,
    pvk: TdesCipher,
    /// Master key of own cards' cryptograms.
    chips: Option<DesKey>,
    /// Keys of links, each with its check value.
    zones: Vec<(TdesCipher, [u8; 4])>,
    /// Cards by their hash.
    cards: BTreeMap<[u8; 16], Vec<u8>>,
    intake: u64,
}

impl Hsm {
    pub(crate) fn new(seed: u64, world: &DemoWorld) -> Self {
        let mut random = Random::part(seed, 0x4B45_5953);
        let pvk = TdesCipher::new(&draw(&mut random, 16));
        let zone = |link: &DemoLink| (TdesCipher::new(&link.zpk.des()), kcv(&link.zpk.des()));
        let zones = world.links.iter().map(zone).collect();
        let chips = world.issuer_cryptogram.as_ref().map(DemoKey::des);
        Self { random, pvk, chips, zones, cards: BTreeMap::new(), intake: 0 }
    }

    /// The key as a record holds it.
    pub(crate) fn wrap(key: &DesKey) -> KeyRecord {
        let mut text = String::new();
        for byte in key.expose() {
            write!(text, "{byte:02X}").expect("a string takes every write");
        }
        KeyRecord { wrapped: WrappedKey(text), check_value: kcv(key) }
    }
    /// A key of the world as a record holds it.
    pub(crate) fn wrap_demo(key: &DemoKey) -> KeyRecord {
        Self::wrap(&key.des())
    }
    fn unwrap(record: &KeyRecord) -> Option<DesKey> {
        let text = record.wrapped.0.as_bytes();
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let bytes: Option<Vec<u8>> =
            text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect();
        DesKey::from_slice(&bytes?).ok()
    }

    /// Working keys as the intake uses them.
    pub(crate) fn open_working(mac: TerminalMac, keys: &WorkingKeys) -> Option<TerminalKeys> {
        let track = match &keys.track {
            Some(record) => Some(TdesCipher::new(&Self::unwrap(record)?)),
            None => None,
        };
        Some(TerminalKeys {
            version: keys.version,
            mac: MacKey::new(MacProfile::from(mac).algorithm, Self::unwrap(&keys.mac)?.expose()).ok()?,
            pin: TdesCipher::new(&Self::unwrap(&keys.pin)?),
            track,
        })
    }

    /// Fresh working keys.
    pub(crate) fn make_keys(&mut self, terminal: &Terminal, version: u32, form: KeyForm) -> Option<MadeKeys> {
        let MacProfile { length, cipher, .. } = terminal.mac.into();
        // The key store of the simulation has DES keys.
        if !matches!(cipher, KeyAlgorithm::Des | KeyAlgorithm::Tdes) {
            return None;
        }
        let mac_bytes = length.bytes();
        let pin_bytes = if form == KeyForm::Single { 8 } else { 16 };
        let (pik, mak) = (draw(&mut self.random, pin_bytes), draw(&mut self.random, mac_bytes));
        let tdk = (form == KeyForm::DoubleWithTrack).then(|| draw(&mut self.random, 16));
        let tmk = Self::unwrap(&terminal.master_key)?;
        let block = WorkingKeyBlock::build(&tmk, &pik, &mak, tdk.as_ref()).ok()?;
        let keys = WorkingKeys {
            version,
            pin: Self::wrap(&pik),
            mac: Self::wrap(&mak),
            track: tdk.as_ref().map(Self::wrap),
        };
        Some(MadeKeys { keys, block })
    }

    /// The PIN verification value of a card that the switch holds itself.
    pub(crate) fn pvv(&self, card: &DemoCard) -> Option<[u8; 4]> {
        let pin = Pin::new(card.pin.expose().as_bytes()).ok()?;
        pin::pvv(&self.pvk, card.pan.expose().as_bytes(), PVV_KEY_INDEX, &pin).ok()
    }

    /// PIN work under a terminal's keys.
    pub(crate) fn pin_work(&self, keys: &TerminalKeys, request: &Financial, job: &PinJob) -> PinOutcome {
        let (Some(card), Some(block)) = (&request.card, &request.pin) else { return PinOutcome::Failed };
        let mut buffer = [0; Pan::DIGITS_MAX];
        let len = card.pan.write_digits(&mut buffer);
        let digits = &buffer[..len];
        let done = match job {
            PinJob::Verify { pvv } => pin::decode(PinFormat::Iso0, &keys.pin.decrypt_block(block.0), digits)
                .and_then(|pin| pin::verify_pvv(&self.pvk, digits, PVV_KEY_INDEX, &pin, pvv))
                .map(|right| if right { PinOutcome::Verified } else { PinOutcome::Wrong }),
            PinJob::Translate { link: LinkIndex(link) } => {
                let Some((zone, key)) = self.zones.get(usize::from(*link)) else { return PinOutcome::Failed };
                pin::translate(&keys.pin, zone, &block.0, PinFormat::Iso0, PinFormat::Iso0, digits)
                    .map(|block| PinOutcome::Translated(ZonePin { block: PinBlock(block), key: *key }))
            }
        };
        match done {
            Ok(outcome) => outcome,
            Err(PinError::Block) => PinOutcome::Malformed,
            Err(_) => PinOutcome::Failed,
        }
    }

    /// Looks at the cryptogram of an own card.
    pub(crate) fn chip_work(&self, request: &Financial) -> ChipOutcome {
        match &self.chips {
            Some(master) => chip::look(master, request),
            None => ChipOutcome::Failed,
        }
    }

    /// What is kept of a card.
    pub(crate) fn seal(&mut self, pan: &Pan, _expiry: Option<&Expiry>) -> CardRef {
        let hash = self.hash(pan);
        self.cards.entry(hash.0).or_insert_with(|| {
            let mut digits = [0; Pan::DIGITS_MAX];
            let len = pan.write_digits(&mut digits);
            digits[..len].to_vec()
        });
        self.intake += 1;
        CardRef {
            sealed: SealedPan(hash.0.to_vec()),
            key_id: 1,
            intake: self.intake,
            hash,
            masked: pan.masked(),
        }
    }
    /// The hash of a card.
    pub(crate) fn hash(&self, pan: &Pan) -> CardHash {
        let mut mixed = Random::part(pan.routing_key(), 0x4341_5244);
        let mut hash = [0; 16];
        hash[..8].copy_from_slice(&mixed.next().to_be_bytes());
        hash[8..].copy_from_slice(&mixed.next().to_be_bytes());
        CardHash(hash)
    }
    /// The card behind a reference.
    pub(crate) fn open_card(&self, card: &CardRef) -> Option<Pan> {
        let hash: [u8; 16] = card.sealed.0.as_slice().try_into().ok()?;
        Pan::from_digits(self.cards.get(&hash)?).ok()
    }
}

fn draw(random: &mut Random, len_bytes: usize) -> DesKey {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&random.next().to_be_bytes());
    bytes[8..].copy_from_slice(&random.next().to_be_bytes());
    set_odd_parity(&mut bytes);
    DesKey::from_slice(&bytes[..len_bytes]).expect("eight or sixteen bytes are a key")
}
