//! Commands as payShield-compatible modules take them: two characters, then fields in their documented order.
//!
//! Numbers and keys are ASCII; messages and chip data are binary. A card number stands there as its 12
//! rightmost digits without the check digit.

use switchyard_keys::emv::CryptogramScheme;
use switchyard_keys::lmk::{KeyAlgorithm, KeyUsage};
use switchyard_keys::mac::MacAlgorithm;
use switchyard_keys::pin::{Ibm3624, PinFormat};
use zeroize::Zeroizing;

use crate::error::HsmError;
use crate::handle::KeyHandle;
use crate::hex;
use crate::request::{
    ArqcRequest, KeySource, KeySpec, MacRequest, PinBlockFormat, PinMethod, TranslatePin, VerifyCvv,
    VerifyPin,
};

/// Longest PIN, as the commands carry it.
const PIN_DIGITS_MAX: &[u8; 2] = b"12";
/// How a 10-byte key serial number is divided: 10 digits of key set, none of sub-key, 5 of device.
const KSN_DESCRIPTOR: &[u8; 3] = b"A05";
/// Says that type and usage of a key stand in its key block.
const KEY_BLOCK_TYPE: &[u8; 3] = b"FFF";
/// Longest message that is authenticated at once.
const MAC_DATA_BYTES_MAX: usize = 4_096;
/// Digits of the card number in a command.
const ACCOUNT_DIGITS: usize = 12;

/// A command, ready to be sent behind a header. It is wiped, because it holds digits of a card.
pub struct Command {
    bytes: Zeroizing<Vec<u8>>,
    /// Whether sending it twice does what sending it once does.
    repeatable: bool,
}

impl Command {
    fn new(code: &[u8; 2]) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(512));
        bytes.extend_from_slice(code);
        Self { bytes, repeatable: true }
    }

    /// What stands behind the header.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it may be sent again when its answer was lost with the connection.
    #[must_use]
    pub const fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    /// The two characters of its answer: the second is the next letter or digit.
    #[must_use]
    pub fn answer_code(&self) -> [u8; 2] {
        [self.bytes[0], self.bytes[1] + 1]
    }

    /// The same, never to be sent twice.
    const fn once(mut self) -> Self {
        self.repeatable = false;
        self
    }

    fn put(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.bytes.extend_from_slice(bytes.as_ref());
        self
    }

    fn key(self, handle: &KeyHandle) -> Self {
        self.put(handle.reference())
    }

    fn hex(mut self, bytes: &[u8]) -> Self {
        hex::push(&mut self.bytes, bytes);
        self
    }

    /// The number of a local master key other than the default, at the end of a command.
    fn lmk(self, lmk: Option<u8>) -> Self {
        match lmk {
            Some(number) => self.put(format!("%{number:02}")),
            None => self,
        }
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Command({}…)", self.bytes[..2].escape_ascii())
    }
}

/// Writes commands for one local master key.
#[derive(Debug, Clone, Copy, Default)]
pub struct Commands {
    /// Its number; none for the module's default.
    pub lmk: Option<u8>,
}

impl Commands {
    /// `NC`: diagnostics.
    #[must_use]
    pub fn diagnostics(&self) -> Command {
        Command::new(b"NC")
    }

    /// `B2`: the message comes back.
    #[must_use]
    pub fn echo(&self, message: &[u8]) -> Command {
        Command::new(b"B2").put(format!("{:04X}", message.len())).put(message)
    }

    /// `CA`, `CC` or `G0`: translates a PIN block from a terminal, from a zone, from a transaction's key.
    ///
    /// # Errors
    /// [`HsmError::Unsupported`] for a form of block without a number, [`HsmError::Input`] for the card.
    pub fn translate_pin(&self, request: &TranslatePin<'_>) -> Result<Command, HsmError> {
        request.target.check(&[KeyUsage::Zpk])?;
        let (from, to) = (block_format(request.from)?, block_format(request.to)?);
        let account = account(request.pan)?;
        let (command, ksn) = match request.source {
            KeySource::Key(source) => {
                source.check(&[KeyUsage::Pik, KeyUsage::Zpk])?;
                let code = if source.usage() == KeyUsage::Pik { b"CA" } else { b"CC" };
                (Command::new(code).key(source).key(request.target), None)
            }
            KeySource::Dukpt { base, ksn } => {
                base.check(&[KeyUsage::Bdk])?;
                (Command::new(b"G0").key(base).key(request.target), Some(ksn))
            }
        };
        let command = match ksn {
            Some(ksn) => command.put(KSN_DESCRIPTOR).hex(&ksn),
            None => command.put(PIN_DIGITS_MAX),
        };
        Ok(command.hex(request.block).put(from).put(to).put(account).lmk(self.lmk))
    }

    /// `DC` or `EC` for a PVV, `DA` or `EA` for an offset, from a terminal or from a zone.
    ///
    /// # Errors
    /// As [`Commands::translate_pin`].
    pub fn verify_pin(&self, request: &VerifyPin<'_>) -> Result<Command, HsmError> {
        let KeySource::Key(source) = request.source else {
            return Err(HsmError::Unsupported("verification of a dukpt pin"));
        };
        source.check(&[KeyUsage::Pik, KeyUsage::Zpk])?;
        let is_terminal = source.usage() == KeyUsage::Pik;
        let (format, account) = (block_format(request.format)?, account(request.pan)?);
        let command = match request.method {
            PinMethod::Pvv { index, pvv } => {
                request.key.check(&[KeyUsage::Pvk])?;
                if index > 9 {
                    return Err(HsmError::Input("pvv key index"));
                }
                Command::new(if is_terminal { b"DC" } else { b"EC" })
                    .key(source)
                    .key(request.key)
                    .hex(request.block)
                    .put(format)
                    .put(account)
                    .put([b'0' + index])
                    .put(pvv)
            }
            PinMethod::Ibm { parameters, offset } => {
                request.key.check(&[KeyUsage::PvkIbm])?;
                if offset.len() > 12 || !offset.iter().all(u8::is_ascii_digit) {
                    return Err(HsmError::Input("pin offset"));
                }
                let mut filled = [b'F'; 12];
                filled[..offset.len()].copy_from_slice(offset);
                Command::new(if is_terminal { b"DA" } else { b"EA" })
                    .key(source)
                    .key(request.key)
                    .put(PIN_DIGITS_MAX)
                    .hex(request.block)
                    .put(format)
                    .put(format!("{:02}", offset.len()))
                    .put(account)
                    .put(parameters.decimalization)
                    .put(validation_data(&parameters, request.pan)?)
                    .put(filled)
            }
        };
        Ok(command.lmk(self.lmk).once())
    }

    /// `CW`: makes a card verification value.
    ///
    /// # Errors
    /// [`HsmError::Key`] for another key.
    pub fn generate_cvv(&self, request: &VerifyCvv<'_>) -> Result<Command, HsmError> {
        request.key.check(&[KeyUsage::Cvk])?;
        Ok(self.card_value(Command::new(b"CW").key(request.key), request))
    }

    /// `CY`: verifies one.
    ///
    /// # Errors
    /// [`HsmError::Key`] for another key, [`HsmError::Input`] for a value that is not three digits.
    pub fn verify_cvv(&self, request: &VerifyCvv<'_>) -> Result<Command, HsmError> {
        request.key.check(&[KeyUsage::Cvk])?;
        if request.value.len() != 3 || !request.value.iter().all(u8::is_ascii_digit) {
            return Err(HsmError::Input("card verification value"));
        }
        Ok(self.card_value(Command::new(b"CY").key(request.key).put(request.value), request).once())
    }

    fn card_value(&self, command: Command, request: &VerifyCvv<'_>) -> Command {
        command.put(request.pan).put(b";").put(request.expiry).put(request.service_code).lmk(self.lmk)
    }

    /// `M6`, or `M8` with the MAC to be verified; `GW` under a transaction's key.
    ///
    /// # Errors
    /// [`HsmError::Unsupported`] for algorithms other than X9.9 and X9.19.
    pub fn mac(&self, request: &MacRequest<'_>, verify: Option<&[u8]>) -> Result<Command, HsmError> {
        let algorithm = match request.algorithm {
            MacAlgorithm::X99 => b'1',
            MacAlgorithm::X919 => b'3',
            _ => return Err(HsmError::Unsupported("this mac algorithm")),
        };
        if request.data.is_empty() || request.data.len() > MAC_DATA_BYTES_MAX {
            return Err(HsmError::Input("length of the message"));
        }
        if verify.is_some_and(|mac| mac.len() != 8) {
            return Err(HsmError::Input("length of a mac"));
        }
        let length = format!("{:04X}", request.data.len());
        match request.source {
            KeySource::Key(key) => {
                key.check(&[KeyUsage::Mak])?;
                let key_type = if is_key_block(key) { KEY_BLOCK_TYPE } else { b"003" };
                // One block, binary input, a MAC of 16 digits, zero padding.
                let command = Command::new(if verify.is_some() { b"M8" } else { b"M6" })
                    .put(*b"001")
                    .put([algorithm, b'1'])
                    .put(key_type)
                    .key(key)
                    .put(length)
                    .put(request.data);
                Ok(command.hex(verify.unwrap_or_default()).lmk(self.lmk))
            }
            KeySource::Dukpt { base, ksn } => {
                base.check(&[KeyUsage::Bdk])?;
                let Some(mac) = verify.filter(|_| algorithm == b'3') else {
                    return Err(HsmError::Unsupported("this use of a dukpt mac"));
                };
                // Verify, X9.19 with the whole MAC.
                let command = Command::new(b"GW").put(b"11").key(base).put(KSN_DESCRIPTOR).hex(&ksn);
                Ok(command.hex(mac).put(length).put(request.data).lmk(self.lmk))
            }
        }
    }

    /// `KQ` or `KW`: verifies a cryptogram, or with a response code makes the answer to it alone.
    ///
    /// # Errors
    /// [`HsmError::Unsupported`] for a scheme without a number, [`HsmError::Input`] for data out of range.
    pub fn cryptogram(
        &self,
        request: &ArqcRequest<'_>,
        response_code: Option<[u8; 2]>,
    ) -> Result<Command, HsmError> {
        request.key.check(&[KeyUsage::EmvAc])?;
        let (code, scheme) = match request.scheme {
            CryptogramScheme::VisaCvn10 => (b"KQ", b'0'),
            CryptogramScheme::MChip16 => (b"KQ", b'1'),
            // Both derivations of a card key agree up to 16 digits.
            CryptogramScheme::VisaCvn18 | CryptogramScheme::VisaCvn22 | CryptogramScheme::CommonOptionB
                if request.card.pan.len() <= 16 =>
            {
                (b"KW", b'2')
            }
            _ => return Err(HsmError::Unsupported("this cryptogram scheme")),
        };
        let card = &request.card;
        let mode = if response_code.is_some() { b'2' } else { b'0' };
        let mut command = Command::new(code)
            .put([mode, scheme])
            .key(request.key)
            .put(card_block(card.pan, card.psn)?)
            .put(card.atc);
        if code == b"KQ" {
            command = command.put(card.unpredictable);
        }
        if response_code.is_none() {
            // The host pads as the scheme wants it: the module adds nothing to whole blocks.
            let data = padded(request)?;
            command = command.put(format!("{:02X}", data.len())).put(&data[..]).put(b";");
        }
        Ok(command
            .put(request.arqc)
            .put(response_code.as_ref().map_or(&[][..], |code| &code[..]))
            .lmk(self.lmk))
    }

    /// `A0`: makes a key under the module's local master key, with `under` also for a terminal.
    ///
    /// # Errors
    /// [`HsmError::Unsupported`] for a cipher without a number.
    pub fn generate_key(&self, spec: &KeySpec, under: Option<&KeyHandle>) -> Result<Command, HsmError> {
        let algorithm = match (spec.algorithm, spec.bytes) {
            (KeyAlgorithm::Des, 8) => b"D1",
            (KeyAlgorithm::Tdes, 16) => b"T2",
            (KeyAlgorithm::Tdes, 24) => b"T3",
            (KeyAlgorithm::Aes, 16) => b"A1",
            (KeyAlgorithm::Aes, 24) => b"A2",
            (KeyAlgorithm::Aes, 32) => b"A3",
            _ => return Err(HsmError::Unsupported("keys of this cipher")),
        };
        let mut command = Command::new(b"A0").put([if under.is_some() { b'1' } else { b'0' }]);
        command = command.put(KEY_BLOCK_TYPE).put(b"S");
        if let Some(master) = under {
            master.check(&[KeyUsage::Tmk, KeyUsage::Zmk])?;
            let scheme = match spec.bytes {
                8 => b"Z",
                16 => b"X",
                _ => b"Y",
            };
            let flag = if master.usage() == KeyUsage::Tmk { b"1" } else { b"0" };
            command = command.put(flag).key(master).put(scheme);
        }
        // A key that leaves under a terminal's master key has to be exportable.
        let exportability = if spec.exportable || under.is_some() { b'E' } else { b'N' };
        command = command.lmk(self.lmk).put(b"#").put(spec.usage.stored_code().as_bytes()).put(algorithm);
        command = command.put([spec.usage.mode_of_use()]).put(format!("{:02}", spec.version));
        Ok(command.put([exportability]).put(b"00").once())
    }

    /// `A6`: takes in a TR-31 block under a zone master key.
    ///
    /// # Errors
    /// [`HsmError::Key`] for another transport key.
    pub fn import(&self, block: &[u8], transport: &KeyHandle, usage: KeyUsage) -> Result<Command, HsmError> {
        transport.check(&[KeyUsage::Zmk])?;
        let command = Command::new(b"A6").put(KEY_BLOCK_TYPE).key(transport).put(b"R").put(block).put(b"S");
        // TR-31 has one code for keys that the module tells apart.
        let command = if usage.tr31_code() == usage.stored_code() {
            command
        } else {
            command.put(b"&").put(usage.stored_code().as_bytes())
        };
        Ok(command.lmk(self.lmk))
    }

    /// `A8`: gives out a key as a TR-31 block under a zone master key.
    ///
    /// # Errors
    /// [`HsmError::Key`] for another transport key.
    pub fn export(&self, key: &KeyHandle, transport: &KeyHandle) -> Result<Command, HsmError> {
        transport.check(&[KeyUsage::Zmk])?;
        key.check(&[key.usage()])?;
        let version = if transport.algorithm() == KeyAlgorithm::Aes { b"!D" } else { b"!B" };
        Ok(Command::new(b"A8")
            .put(KEY_BLOCK_TYPE)
            .key(transport)
            .key(key)
            .put(b"R")
            .put(version)
            .lmk(self.lmk))
    }

    /// `BU`: a check value of 16 digits.
    #[must_use]
    pub fn check_value(&self, key: &KeyHandle) -> Command {
        let command = Command::new(b"BU").put(b"FF1").key(key);
        let command = if is_key_block(key) {
            command.put(b";FFF")
        } else {
            command.put(b";").put(variant_type(key.usage()))
        };
        command.put(b";000").lmk(self.lmk)
    }
}

fn is_key_block(key: &KeyHandle) -> bool {
    key.reference().starts_with('S')
}

/// The type of a key under a variant of the local master key.
fn variant_type(usage: KeyUsage) -> &'static [u8; 3] {
    match usage {
        KeyUsage::Zmk => b"000",
        KeyUsage::Zpk => b"001",
        KeyUsage::Mak => b"003",
        KeyUsage::Bdk => b"009",
        KeyUsage::Tdk | KeyUsage::DataKey => b"00B",
        KeyUsage::EmvAc => b"109",
        KeyUsage::EmvSmi => b"209",
        KeyUsage::EmvSmc => b"309",
        KeyUsage::Cvk => b"402",
        // Terminal keys and PIN verification keys share a variant.
        _ => b"002",
    }
}

fn block_format(format: PinBlockFormat) -> Result<&'static [u8; 2], HsmError> {
    match format {
        PinBlockFormat::Des(PinFormat::Iso0) => Ok(b"01"),
        PinBlockFormat::Des(PinFormat::Iso1) => Ok(b"05"),
        PinBlockFormat::Des(PinFormat::Iso3) => Ok(b"47"),
        PinBlockFormat::Des(_) => Err(HsmError::Unsupported("this form of pin block")),
        PinBlockFormat::Iso4 => Err(HsmError::Unsupported("pin blocks of format 4")),
    }
}

fn account(pan: &[u8]) -> Result<&[u8], HsmError> {
    let is_card = (13..=19).contains(&pan.len()) && pan.iter().all(u8::is_ascii_digit);
    match pan.len().checked_sub(ACCOUNT_DIGITS + 1) {
        Some(start) if is_card => Ok(&pan[start..pan.len() - 1]),
        _ => Err(HsmError::Input("card number")),
    }
}

/// Twelve characters: the validation data with the last five digits of the account written as `N`.
fn validation_data(parameters: &Ibm3624<'_>, pan: &[u8]) -> Result<[u8; 12], HsmError> {
    let unsupported = HsmError::Unsupported("this validation data");
    let end = parameters.pan_offset.saturating_add(parameters.pan_length);
    let taken = pan.get(parameters.pan_offset..end).ok_or(HsmError::Input("pan length"))?;
    let account = account(pan)?;
    let mut whole = [parameters.pad; 16];
    whole.get_mut(..taken.len()).ok_or(HsmError::Input("pan length"))?.copy_from_slice(taken);
    let last = &account[account.len() - 5..];
    let at = whole.windows(5).position(|window| window == last).ok_or(unsupported)?;
    let mut data = [0; 12];
    data[..at].copy_from_slice(&whole[..at]);
    data[at] = b'N';
    data[at + 1..].copy_from_slice(&whole[at + 5..]);
    Ok(data)
}

/// The last 16 digits of card number and sequence number, packed.
fn card_block(pan: &[u8], psn: &[u8; 2]) -> Result<[u8; 8], HsmError> {
    if !(1..=19).contains(&pan.len()) || !pan.iter().chain(psn).all(u8::is_ascii_digit) {
        return Err(HsmError::Input("card number"));
    }
    let mut digits = [b'0'; 16];
    for (place, digit) in digits.iter_mut().rev().zip(psn.iter().rev().chain(pan.iter().rev())) {
        *place = *digit;
    }
    hex::array(&digits).ok_or(HsmError::Input("card number"))
}

fn padded(request: &ArqcRequest<'_>) -> Result<Zeroizing<Vec<u8>>, HsmError> {
    let mut data = Zeroizing::new(Vec::with_capacity(request.card.data.len() + 8));
    data.extend_from_slice(request.card.data);
    if request.scheme.padding() == switchyard_keys::mac::Padding::Bit {
        data.push(0x80);
    }
    let whole = data.len().next_multiple_of(8);
    data.resize(whole, 0);
    if data.is_empty() || data.len() > 255 {
        return Err(HsmError::Input("length of the chip data"));
    }
    Ok(data)
}
