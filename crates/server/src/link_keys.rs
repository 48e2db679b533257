//! PIN keys that come over a link: opened under its transport key, looked at, and wrapped under the local master key.
//!
//! Nothing that is wrong with one is told to the host but a code: which bit of it was wrong would help only a forger.

use switchyard_core::{KeyCargo, KeyFault, KeyOpening};
use switchyard_domain::{KeyRecord, KeyUse};
use switchyard_keys::lmk::{KeyAlgorithm, KeyAttributes};
use switchyard_keys::{DesKey, KeyError, SecretBytes, constant_time_eq, kcv, tr31};

use crate::custody::Transport;
use crate::keystore::{KeyStore, is_ours, usage_of};

/// A block of triple DES.
const DES_BLOCK_BYTES: usize = 8;
/// PINs go under no shorter key.
const DOUBLE_LENGTH_BYTES: usize = 16;

/// The key as the ledger keeps it.
///
/// # Errors
/// [`KeyFault`] by what is wrong with it; nothing has happened then.
pub(crate) fn open(store: &KeyStore, opening: &KeyOpening) -> Result<KeyRecord, KeyFault> {
    let KeyOpening { under, transport, in_force, cargo, link: _ } = opening;
    let transport = Transport::of(store, *under, transport).map_err(|_| KeyFault::Failed)?;
    let (key, attributes) = match cargo {
        KeyCargo::Ecb { wrapped, check_value } => out_of_ecb(&transport, wrapped, *check_value)?,
        KeyCargo::Block(block) => out_of_block(&transport, block)?,
    };
    if key.expose().len() < DOUBLE_LENGTH_BYTES {
        return Err(KeyFault::Purpose);
    }
    let des = DesKey::from_slice(key.expose()).map_err(|_| KeyFault::Purpose)?;
    des.check_parity().and_then(|()| des.check_quality()).map_err(|_| KeyFault::Weak)?;
    not_before(store, in_force, attributes, &key)?;
    store.wrap_with(KeyUse::ZonePin, attributes, key.expose()).map_err(|_| KeyFault::Failed)
}

/// A double-length key, and its check value, which alone says that it opened.
fn out_of_ecb(
    transport: &Transport,
    wrapped: &[u8; 16],
    check_value: [u8; 3],
) -> Result<(SecretBytes, KeyAttributes), KeyFault> {
    if transport.algorithm() != KeyAlgorithm::Tdes {
        return Err(KeyFault::Carrier);
    }
    let cipher = transport.cipher().map_err(|_| KeyFault::Failed)?;
    let mut clear = Vec::with_capacity(wrapped.len());
    for block in wrapped.chunks_exact(DES_BLOCK_BYTES) {
        let block = block.try_into().map_err(|_| KeyFault::Malformed)?;
        clear.extend_from_slice(&cipher.decrypt_block(block));
    }
    let clear = SecretBytes::from(clear);
    let key = DesKey::from_slice(clear.expose()).map_err(|_| KeyFault::Malformed)?;
    if constant_time_eq(&kcv(&key)[..3], &check_value) {
        Ok((clear, KeyAttributes::new(KeyAlgorithm::Tdes)))
    } else {
        Err(KeyFault::CheckValue)
    }
}

/// A key out of a TR-31 block that says that it is a PIN key, of triple DES.
fn out_of_block(transport: &Transport, block: &str) -> Result<(SecretBytes, KeyAttributes), KeyFault> {
    let by_aes = block.starts_with('D');
    if by_aes != (transport.algorithm() == KeyAlgorithm::Aes) {
        return Err(KeyFault::Carrier);
    }
    let out = tr31::unwrap(transport.expose(), block.as_bytes()).map_err(|error| match error {
        KeyError::Authentication => KeyFault::CheckValue,
        _ => KeyFault::Malformed,
    })?;
    let attributes = KeyAttributes::of_import(&out, transport.strength(), usage_of(KeyUse::ZonePin));
    let attributes = attributes.map_err(|_| KeyFault::Purpose)?;
    if attributes.algorithm != KeyAlgorithm::Tdes {
        return Err(KeyFault::Purpose);
    }
    // It may not leave: its host has it.
    Ok((out.key, KeyAttributes { exportable: false, ..attributes }))
}

/// Neither the key in force nor one of an earlier version.
fn not_before(
    store: &KeyStore,
    in_force: &KeyRecord,
    attributes: KeyAttributes,
    key: &SecretBytes,
) -> Result<(), KeyFault> {
    if in_force.is_to_come() || !is_ours(in_force) {
        return Ok(());
    }
    let before = store.unwrap(KeyUse::ZonePin, in_force).map_err(|_| KeyFault::Failed)?;
    if constant_time_eq(before.expose(), key.expose()) {
        return Err(KeyFault::Same);
    }
    let have = store.attributes(in_force).map_err(|_| KeyFault::Failed)?.version;
    let is_older = attributes.version > 0 && attributes.version < have;
    if is_older { Err(KeyFault::Purpose) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchyard_domain::{KeyName, LinkIndex};
    use switchyard_keys::lmk::KeyUsage;
    use switchyard_keys::tr31::{Header, Version};
    use switchyard_keys::{TdesCipher, set_odd_parity, wrap_des_ecb};

    const UNDER: KeyName = KeyName { usage: KeyUse::Transport, owner: 7 };

    struct Bench {
        store: KeyStore,
        transport: DesKey,
        in_force: KeyRecord,
        old: DesKey,
    }

    impl Bench {
        fn new() -> Self {
            let store = KeyStore::new(&SecretBytes::random(32).unwrap()).unwrap();
            let (in_force, old) = store.generate(KeyUse::ZonePin).unwrap();
            Self { store, transport: DesKey::generate(16).unwrap(), in_force, old }
        }
        fn open_under(&self, transport: KeyRecord, cargo: KeyCargo) -> Result<KeyRecord, KeyFault> {
            let in_force = self.in_force.clone();
            open(&self.store, &KeyOpening { link: LinkIndex(0), under: UNDER, transport, in_force, cargo })
        }
        fn open(&self, cargo: KeyCargo) -> Result<KeyRecord, KeyFault> {
            let transport = self.store.wrap(KeyUse::Transport, self.transport.expose()).unwrap();
            self.open_under(transport, cargo)
        }
        fn ecb(&self, key: &DesKey) -> KeyCargo {
            ecb(&self.transport, key)
        }
        fn block(&self, key: &[u8], change: impl FnOnce(&mut Header)) -> KeyCargo {
            let mut header = Header::new(Version::B, KeyUsage::Zpk.tr31_code(), b'T', b'B', b'N');
            change(&mut header);
            let block = tr31::wrap(self.transport.expose(), &header, key).unwrap();
            KeyCargo::Block(String::from_utf8(block).unwrap())
        }
    }

    fn ecb(transport: &DesKey, key: &DesKey) -> KeyCargo {
        let wrapped = wrap_des_ecb(&TdesCipher::new(transport), key.expose()).unwrap();
        let check_value = *kcv(key).first_chunk().unwrap();
        KeyCargo::Ecb { wrapped: wrapped.try_into().unwrap(), check_value }
    }

    #[test]
    fn a_key_is_opened_and_kept_under_the_local_master_key() {
        let bench = Bench::new();
        let new = DesKey::generate(16).unwrap();
        for cargo in [bench.ecb(&new), bench.block(new.expose(), |_| {})] {
            let record = bench.open(cargo).unwrap();
            assert_eq!(record.check_value, kcv(&new));
            assert_eq!(bench.store.unwrap(KeyUse::ZonePin, &record).unwrap().expose(), new.expose());
            assert!(bench.store.unwrap(KeyUse::Transport, &record).is_err(), "for PINs, and nothing else");
        }
    }

    /// The example of the handbook, which another implementation of triple DES computed.
    #[test]
    fn the_example_opens_as_it_says() {
        let transport = *b"\x01\x23\x45\x67\x89\xAB\xCD\xEF\xFE\xDC\xBA\x98\x76\x54\x32\x10";
        let wrapped = *b"\x01\xE9\xD8\xDA\x91\x82\xFC\x1F\x14\x69\x23\xC3\xCE\x44\x40\x05";
        let key = *b"\x1C\x58\x7F\x1C\x13\x92\x4F\xEF\x08\xD6\xB6\x3B\xFE\x2C\x45\xA1";
        let bench = Bench { transport: DesKey::from_slice(&transport).unwrap(), ..Bench::new() };
        let record = bench.open(KeyCargo::Ecb { wrapped, check_value: [0x95, 0x18, 0x03] }).unwrap();
        assert_eq!(bench.store.unwrap(KeyUse::ZonePin, &record).unwrap().expose(), key);
    }

    #[test]
    fn a_key_of_which_anything_is_wrong_is_not_taken() {
        let bench = Bench::new();
        let new = DesKey::generate(16).unwrap();
        let other = DesKey::generate(16).unwrap();
        let key = |bytes: [u8; 16]| DesKey::from_slice(&bytes).unwrap();
        let mut even: [u8; 16] = new.expose().try_into().unwrap();
        even[3] ^= 1;
        let mut halves = [0x5B; 16];
        set_odd_parity(&mut halves);
        let weak = *b"\x01\x01\x01\x01\x01\x01\x01\x01\xFE\xFE\xFE\xFE\xFE\xFE\xFE\xFE";
        let KeyCargo::Ecb { wrapped, mut check_value } = bench.ecb(&new) else { unreachable!() };
        check_value[2] ^= 0x10;
        let altered = KeyCargo::Ecb { wrapped, check_value };
        let KeyCargo::Block(mut forged) = bench.block(new.expose(), |_| {}) else { unreachable!() };
        forged.replace_range(20..21, if &forged[20..21] == "0" { "1" } else { "0" });
        let mac = KeyUsage::Mak.tr31_code();
        let table = [
            ("another check value", altered, KeyFault::CheckValue),
            ("under another transport key", ecb(&other, &new), KeyFault::CheckValue),
            ("even parity", bench.ecb(&key(even)), KeyFault::Weak),
            ("equal halves", bench.ecb(&key(halves)), KeyFault::Weak),
            ("weak parts", bench.ecb(&key(weak)), KeyFault::Weak),
            ("the key in force", bench.ecb(&bench.old), KeyFault::Same),
            ("the key in force in a block", bench.block(bench.old.expose(), |_| {}), KeyFault::Same),
            ("a forged block", KeyCargo::Block(forged), KeyFault::CheckValue),
            ("a block for MACs", bench.block(new.expose(), |header| header.usage = mac), KeyFault::Purpose),
            ("to decipher only", bench.block(new.expose(), |h| h.mode_of_use = b'D'), KeyFault::Purpose),
            ("of single length", bench.block(&new.expose()[..8], |_| {}), KeyFault::Purpose),
            ("of AES's kind", KeyCargo::Block(format!("D0112{}", "0".repeat(107))), KeyFault::Carrier),
            ("a block of nothing", KeyCargo::Block("B0016P0TB00N0000".into()), KeyFault::Malformed),
        ];
        for (what, cargo, fault) in table {
            assert_eq!(bench.open(cargo).unwrap_err(), fault, "{what}");
        }
    }

    #[test]
    fn an_aes_transport_key_carries_blocks_alone() {
        let bench = Bench::new();
        let new = DesKey::generate(16).unwrap();
        let kbpk = [0x42; 32];
        let record = || bench.store.wrap_as(KeyUse::Transport, KeyAlgorithm::Aes, &kbpk).unwrap();
        let block = |version: [u8; 2]| {
            let mut header = Header::new(Version::D, KeyUsage::Zpk.tr31_code(), b'T', b'B', b'N');
            header.key_version = version;
            let block = tr31::wrap(&kbpk, &header, new.expose()).unwrap();
            KeyCargo::Block(String::from_utf8(block).unwrap())
        };
        let opened = bench.open_under(record(), block(*b"05")).unwrap();
        assert_eq!(opened.check_value, kcv(&new));
        assert_eq!(bench.open_under(record(), bench.ecb(&new)).unwrap_err(), KeyFault::Carrier);
        // A block of an earlier version, which somebody kept.
        let mut later = Bench::new();
        let attributes = KeyAttributes { version: 6, ..KeyAttributes::new(KeyAlgorithm::Tdes) };
        later.in_force = later.store.wrap_with(KeyUse::ZonePin, attributes, later.old.expose()).unwrap();
        let transport = later.store.wrap_as(KeyUse::Transport, KeyAlgorithm::Aes, &kbpk).unwrap();
        assert_eq!(later.open_under(transport.clone(), block(*b"05")).unwrap_err(), KeyFault::Purpose);
        assert!(later.open_under(transport, block(*b"07")).is_ok());
    }

    #[test]
    fn a_link_without_a_key_takes_its_first_one() {
        let mut bench = Bench::new();
        bench.in_force = KeyRecord::to_come();
        let first = DesKey::generate(16).unwrap();
        assert_eq!(bench.open(bench.ecb(&first)).unwrap().check_value, kcv(&first));
    }
}
