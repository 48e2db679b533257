//! Cryptograms of the embedded issuer's cards (PBOC): the request's is verified, the issuer's answer is made.

use switchyard_core::{ChipOutcome, Financial};
use switchyard_hsm::{ArqcRequest, Hsm, HsmError, KeyHandle};
use switchyard_keys::emv::{CardRequest, CryptogramScheme};
use switchyard_wire::Tlvs;

use crate::keystore::Digits;
use crate::shared::Shared;

const SCHEME: CryptogramScheme = CryptogramScheme::Pboc;
/// What the card gets in tag 8A with the answer: approved.
const APPROVED: [u8; 2] = *b"00";
/// Tags under the cryptogram, in their order; the card verification results of 9F10 follow them.
const SIGNED: [u32; 10] = [0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37, 0x82, 0x9F36];
/// Where 9F10 has the card verification results: behind length, key index and version.
const CVR: std::ops::Range<usize> = 3..7;

/// Looks at the cryptogram of a request. Fails closed: whatever goes wrong is no reason to approve.
pub(crate) async fn work(shared: &Shared, request: &Financial) -> ChipOutcome {
    let Some(master) = shared.keys.cryptogram() else { return ChipOutcome::Failed };
    let done = match master.handle(&shared.module, &shared.store).await {
        Ok(master) => answer(shared.module.hsm(), &master, request).await,
        Err(error) => Err(error),
    };
    // The payShield command set has no PBOC cryptograms: the key, which the registry holds, is used in this process then.
    let done = match (done, shared.module.own()) {
        (Err(HsmError::Unsupported(_)), Some(own)) => match master.own_handle() {
            Ok(master) => answer(own, &master, request).await,
            Err(error) => Err(error),
        },
        (done, _) => done,
    };
    done.unwrap_or_else(|error| {
        tracing::error!(%error, "a cryptogram cannot be verified");
        ChipOutcome::Failed
    })
}

async fn answer(hsm: &dyn Hsm, master: &KeyHandle, request: &Financial) -> Result<ChipOutcome, HsmError> {
    let (Some(card), Some(emv)) = (&request.card, &request.emv) else { return Ok(ChipOutcome::Failed) };
    let Some(chip) = Chip::read(emv) else { return Ok(ChipOutcome::Malformed) };
    if chip.amount_minor != request.amount.minor {
        return Ok(ChipOutcome::Wrong);
    }
    let sequence = request.card_sequence.unwrap_or(0) % 100;
    let psn = [b'0' + (sequence / 10) as u8, b'0' + (sequence % 10) as u8];
    let digits = Digits::of(&card.pan);
    let asked = ArqcRequest {
        key: master,
        scheme: SCHEME,
        card: CardRequest {
            pan: digits.as_bytes(),
            psn: &psn,
            atc: chip.counter,
            unpredictable: chip.unpredictable,
            data: &chip.signed,
        },
        arqc: chip.cryptogram,
    };
    if !hsm.verify_arqc(asked).await? {
        return Ok(ChipOutcome::Wrong);
    }
    let arpc = hsm.generate_arpc(asked, APPROVED).await?;
    let mut out = vec![0x91, 10];
    out.extend(arpc);
    out.extend(APPROVED);
    Ok(ChipOutcome::Right(out))
}

/// What of DE 55 a cryptogram depends on.
struct Chip {
    cryptogram: [u8; 8],
    counter: [u8; 2],
    unpredictable: [u8; 4],
    amount_minor: u64,
    signed: Vec<u8>,
}

impl Chip {
    fn read(emv: &[u8]) -> Option<Self> {
        let objects: Vec<_> = Tlvs::new(emv).collect::<Result<_, _>>().ok()?;
        let value = |tag: u32| objects.iter().find(|object| object.tag == tag).map(|object| object.value);
        let mut signed = Vec::with_capacity(40);
        for tag in SIGNED {
            signed.extend_from_slice(value(tag)?);
        }
        signed.extend_from_slice(value(0x9F10)?.get(CVR)?);
        let digit = |sum: u64, nibble: u8| Some(sum * 10 + u64::from(Some(nibble).filter(|n| *n < 10)?));
        let amount = value(0x9F02)?;
        let mut nibbles = amount.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
        Some(Self {
            cryptogram: value(0x9F26)?.try_into().ok()?,
            counter: value(0x9F36)?.try_into().ok()?,
            unpredictable: value(0x9F37)?.try_into().ok()?,
            amount_minor: if amount.len() == 6 { nibbles.try_fold(0, digit)? } else { return None },
            signed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchyard_core::{Card, OriginalRef};
    use switchyard_domain::*;
    use switchyard_keys::emv::{arpc_method1, arqc};
    use switchyard_keys::lmk::Lmk;
    use switchyard_keys::{DesKey, SecretBytes};

    use crate::hsm::{HsmKey, Module};
    use crate::keystore::KeyStore;

    const PAN: &[u8] = b"6212345678901232";
    const ATC: [u8; 2] = [0, 7];
    const UN: [u8; 4] = [1, 2, 3, 4];

    fn tags(cryptogram: [u8; 8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let tag = |tag: &[u8], value: &[u8]| (tag.to_vec(), value.to_vec());
        vec![
            tag(&[0x9F, 0x26], &cryptogram),
            tag(&[0x9F, 0x10], &[7, 1, 1, 3, 0xA0, 0xB8, 2]),
            tag(&[0x9F, 0x37], &UN),
            tag(&[0x9F, 0x36], &ATC),
            tag(&[0x95], &[0; 5]),
            tag(&[0x9A], &[0x26, 0x11, 0x18]),
            tag(&[0x9C], &[0]),
            tag(&[0x9F, 0x02], &[0, 0, 0, 0, 0x12, 0x50]),
            tag(&[0x5F, 0x2A], &[1, 0x56]),
            tag(&[0x82], &[0x7C, 0]),
            tag(&[0x9F, 0x1A], &[1, 0x56]),
            tag(&[0x9F, 0x03], &[0; 6]),
        ]
    }
    fn packed(tags: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
        let object = |(tag, value): &(Vec<u8>, Vec<u8>)| {
            let mut bytes = tag.clone();
            bytes.push(value.len() as u8);
            bytes.extend(value);
            bytes
        };
        tags.iter().flat_map(object).collect()
    }
    fn request(emv: Vec<u8>, minor: u64) -> Financial {
        let pan = Pan::from_digits(PAN).unwrap();
        let reference = CardRef {
            sealed: SealedPan(vec![]),
            key_id: 1,
            intake: 1,
            hash: CardHash([0; 16]),
            masked: pan.masked(),
        };
        Financial {
            kind: TransactionKind::Sale,
            class: MessageClass::Financial,
            stan: Stan::try_from(1).unwrap(),
            batch: BatchNumber::FIRST,
            amount: Amount::new(minor, Currency::CNY),
            card: Some(Card { pan, reference, expiry: None }),
            pin: None,
            key_version: None,
            track2: None,
            service: None,
            emv: Some(emv),
            card_sequence: Some(1),
            chip_answer: None,
            original: OriginalRef::default(),
            fingerprint: Fingerprint {
                processing_code: 0,
                amount_minor: minor,
                card: None,
                type_code: 22,
                original: None,
                original_rrn: None,
            },
            echo: Echo {
                expiry: None,
                condition: None,
                currency: None,
                security_control: None,
                de60: 0,
                de60_digits: 0,
                entry_mode: None,
            },
        }
    }
    fn work(master: &DesKey, request: &Financial) -> ChipOutcome {
        let lmk = SecretBytes::random(32).unwrap();
        let (store, module) = (
            KeyStore::new(&lmk).unwrap(),
            Module::software(std::sync::Arc::new(Lmk::from_slice(lmk.expose()).unwrap().into())),
        );
        let usage = KeyUse::IssuerCryptogram;
        let key = HsmKey::new(usage, store.wrap(usage, master.expose()).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let handle = key.handle(&module, &store).await.unwrap();
            answer(module.hsm(), &handle, request).await.unwrap()
        })
    }
    /// What the card itself computes.
    fn cryptogram(master: &DesKey) -> [u8; 8] {
        let signed = Chip::read(&packed(&tags([0; 8]))).unwrap().signed;
        let asked = CardRequest { pan: PAN, psn: b"01", atc: ATC, unpredictable: UN, data: &signed };
        arqc(SCHEME, master, &asked).unwrap()
    }

    #[test]
    fn the_cards_own_cryptogram_is_answered_and_no_other() {
        let (master, other) = (DesKey::generate(16).unwrap(), DesKey::generate(16).unwrap());
        let right = cryptogram(&master);
        let good = packed(&tags(right));
        let ChipOutcome::Right(answer) = work(&master, &request(good.clone(), 1_250)) else {
            panic!("the card's own cryptogram")
        };
        let icc = SCHEME.icc_key(&master, PAN, b"01").unwrap();
        let expected = arpc_method1(&SCHEME.arpc_key(&icc, ATC).unwrap(), right, APPROVED);
        assert_eq!(answer, [&[0x91, 10][..], &expected, b"00"].concat());
        let wrong = |outcome| matches!(outcome, ChipOutcome::Wrong);
        assert!(wrong(work(&other, &request(good.clone(), 1_250))), "another issuer's key");
        assert!(wrong(work(&master, &request(good.clone(), 1_251))), "another amount in DE 4");
        // Every bit of the cryptogram, and every value under it.
        for bit in 0..64 {
            let mut flipped = right;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(wrong(work(&master, &request(packed(&tags(flipped)), 1_250))), "bit {bit}");
        }
        for (index, (tag, _)) in tags(right).iter().enumerate() {
            let mut changed = tags(right);
            let value = &mut changed[index].1;
            let last = value.len() - 1;
            value[last] ^= 1;
            if tag[..] != [0x9F, 0x10] {
                assert!(wrong(work(&master, &request(packed(&changed), 1_250))), "{tag:02x?}");
            }
        }
    }

    #[test]
    fn chip_data_without_what_is_needed_is_malformed() {
        let master = DesKey::generate(16).unwrap();
        let all = tags([0; 8]);
        for leave_out in 0..all.len() {
            let mut some = all.clone();
            some.remove(leave_out);
            let outcome = work(&master, &request(packed(&some), 1_250));
            assert!(matches!(outcome, ChipOutcome::Malformed), "{:02x?}", all[leave_out].0);
        }
        let whole = packed(&all);
        for cut in 0..whole.len() {
            let outcome = work(&master, &request(whole[..cut].to_vec(), 1_250));
            assert!(matches!(outcome, ChipOutcome::Malformed), "cut at {cut}");
        }
    }
}
