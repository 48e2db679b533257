//! Chip data as values: what card and terminal found, decided and counted.

use std::fmt;

use super::{Currency, Date, FieldError, Time};
use crate::{Composition, De, ElementPath, Message, Tlvs};

/// The element of chip data in every edition.
const DE: De = 55;

/// The chip data of a message: objects are found by tag when they are asked for, at any depth.
#[derive(Clone, Copy)]
pub struct Chip<'a> {
    bytes: &'a [u8],
}

/// A cryptogram with what the card meant by it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cryptogram {
    /// The kind, from the information data; nothing when the message has none.
    pub kind: Option<CryptogramKind>,
    /// The eight bytes.
    pub bytes: [u8; 8],
}

/// What a card decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CryptogramKind {
    /// AAC: declined.
    Declined,
    /// TC: approved offline.
    Approved,
    /// ARQC: the issuer is asked.
    Request,
    /// Reserved.
    Reserved,
}

/// Cryptogram information data (tag 9F27).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CryptogramInfo(pub u8);

/// Terminal verification results (tag 95).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tvr(pub [u8; 5]);

/// Transaction status information (tag 9B).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tsi(pub [u8; 2]);

/// Application interchange profile (tag 82).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aip(pub [u8; 2]);

/// Cardholder verification results (tag 9F34).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CvmResults {
    /// The method performed.
    pub method: u8,
    /// When it is to be performed.
    pub condition: u8,
    /// 0 unknown, 1 failed, 2 successful.
    pub result: u8,
}

/// A bit that has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Byte, from zero.
    pub byte: u8,
    /// The bit alone.
    pub mask: u8,
    /// In English.
    pub en: &'static str,
    /// In Chinese.
    pub zh: &'static str,
}

impl<'a> Chip<'a> {
    pub(super) fn of(message: &Message<'_, 'a>) -> Option<Self> {
        let element = message.dialect().element(DE)?;
        let is_chip = *element.composition() == Composition::BerTlv;
        message.raw(DE).filter(|_| is_chip).map(Self::new)
    }

    /// Chip data that stands elsewhere than in element 55.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The first object with this tag, at any depth; nothing when there is none.
    ///
    /// # Errors
    /// [`FieldError`] when the bytes before it are not BER-TLV.
    pub fn find(&self, tag: u32) -> Result<Option<&'a [u8]>, FieldError> {
        for object in Tlvs::new(self.bytes) {
            let object = object.map_err(|_| wrong(tag, "reached: the bytes before are no objects"))?;
            if object.tag == tag {
                return Ok(Some(object.value));
            }
        }
        Ok(None)
    }

    /// The application cryptogram (9F26) and its kind (9F27).
    ///
    /// # Errors
    /// [`FieldError`] when one has another length; the same for every method of this type.
    pub fn cryptogram(&self) -> Result<Option<Cryptogram>, FieldError> {
        let Some(bytes) = self.sized(0x9F26, "eight bytes")? else { return Ok(None) };
        let kind = self.cryptogram_info()?.map(CryptogramInfo::kind);
        Ok(Some(Cryptogram { kind, bytes }))
    }

    /// The cryptogram, when the card asks the issuer with it.
    ///
    /// # Errors
    /// As [`Chip::cryptogram`].
    pub fn arqc(&self) -> Result<Option<[u8; 8]>, FieldError> {
        let cryptogram = self.cryptogram()?;
        Ok(cryptogram.filter(|found| found.kind == Some(CryptogramKind::Request)).map(|found| found.bytes))
    }

    /// Cryptogram information data (9F27).
    ///
    /// # Errors
    /// As [`Chip::cryptogram`].
    pub fn cryptogram_info(&self) -> Result<Option<CryptogramInfo>, FieldError> {
        Ok(self.sized(0x9F27, "one byte")?.map(|[byte]| CryptogramInfo(byte)))
    }

    /// Terminal verification results (95).
    ///
    /// # Errors
    /// As [`Chip::cryptogram`].
    pub fn tvr(&self) -> Result<Option<Tvr>, FieldError> {
        Ok(self.sized(0x95, "five bytes")?.map(Tvr))
    }

    /// Transaction status information (9B).
    ///
    /// # Errors
    /// As [`Chip::cryptogram`].
    pub fn tsi(&self) -> Result<Option<Tsi>, FieldError> {
        Ok(self.sized(0x9B, "two bytes")?.map(Tsi))
    }

    /// Application interchange profile (82).
    ///
    /// # Errors
    /// As [`Chip::cryptogram`].
    pub fn aip(&self) -> Result<Option<Aip>, FieldError> {
        Ok(self.sized(0x82, "two bytes")?.map(Aip))
    }

    /// Application transaction counter (9F36).
    ///
    /// # Errors
    /// As [`Chip::cryptogram`].
    pub fn atc(&self) -> Result<Option<u16>, FieldError> {
        Ok(self.sized(0x9F36, "two bytes")?.map(u16::from_be_bytes))
    }

    /// Amount authorized (9F02), in minor units.
    ///
    /// # Errors
    /// As [`Chip::cryptogram`].
    pub fn amount_authorized(&self) -> Result<Option<u64>, FieldError> {
        self.digits::<6>(0x9F02)
    }

    /// Amount other (9F03): cash-back, in minor units.
    ///
    /// # Errors
    /// As [`Chip::cryptogram`].
    pub fn amount_other(&self) -> Result<Option<u64>, FieldError> {
        self.digits::<6>(0x9F03)
    }

    /// Transaction currency (5F2A).
    ///
    /// # Errors
    /// As [`Chip::cryptogram`].
    pub fn currency(&self) -> Result<Option<Currency>, FieldError> {
        Ok(self.digits::<2>(0x5F2A)?.and_then(|number| Currency::new(number as u16)))
    }

    /// Terminal country (9F1A), a number of three digits.
    ///
    /// # Errors
    /// As [`Chip::cryptogram`].
    pub fn terminal_country(&self) -> Result<Option<u16>, FieldError> {
        Ok(self.digits::<2>(0x9F1A)?.map(|number| number as u16))
    }

    /// Transaction date (9A).
    ///
    /// # Errors
    /// As [`Chip::cryptogram`].
    pub fn date(&self) -> Result<Option<Date>, FieldError> {
        self.packed(0x9A, "a date", Date::parse)
    }

    /// Transaction time (9F21).
    ///
    /// # Errors
    /// As [`Chip::cryptogram`].
    pub fn time(&self) -> Result<Option<Time>, FieldError> {
        self.packed(0x9F21, "a time", Time::parse)
    }

    /// Transaction type (9C): the first two digits of the processing code.
    ///
    /// # Errors
    /// As [`Chip::cryptogram`].
    pub fn transaction_type(&self) -> Result<Option<u8>, FieldError> {
        Ok(self.digits::<1>(0x9C)?.map(|number| number as u8))
    }

    /// Sequence number of the card (5F34).
    ///
    /// # Errors
    /// As [`Chip::cryptogram`].
    pub fn pan_sequence(&self) -> Result<Option<u8>, FieldError> {
        Ok(self.digits::<1>(0x5F34)?.map(|number| number as u8))
    }

    /// Unpredictable number (9F37).
    ///
    /// # Errors
    /// As [`Chip::cryptogram`].
    pub fn unpredictable_number(&self) -> Result<Option<[u8; 4]>, FieldError> {
        self.sized(0x9F37, "four bytes")
    }

    /// Cardholder verification results (9F34).
    ///
    /// # Errors
    /// As [`Chip::cryptogram`].
    pub fn cvm_results(&self) -> Result<Option<CvmResults>, FieldError> {
        let results = self.sized(0x9F34, "three bytes")?;
        Ok(results.map(|[method, condition, result]| CvmResults { method, condition, result }))
    }

    /// Terminal capabilities (9F33).
    ///
    /// # Errors
    /// As [`Chip::cryptogram`].
    pub fn terminal_capabilities(&self) -> Result<Option<[u8; 3]>, FieldError> {
        self.sized(0x9F33, "three bytes")
    }

    /// The application: dedicated file name (84), application identifier of the card (4F) or the terminal (9F06).
    ///
    /// # Errors
    /// As [`Chip::find`].
    pub fn application(&self) -> Result<Option<&'a [u8]>, FieldError> {
        for tag in [0x84, 0x4F, 0x9F06] {
            if let Some(found) = self.find(tag)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Issuer application data (9F10).
    ///
    /// # Errors
    /// As [`Chip::find`].
    pub fn issuer_application_data(&self) -> Result<Option<&'a [u8]>, FieldError> {
        self.find(0x9F10)
    }

    /// Issuer authentication data (91) of an answer.
    ///
    /// # Errors
    /// As [`Chip::find`].
    pub fn issuer_authentication_data(&self) -> Result<Option<&'a [u8]>, FieldError> {
        self.find(0x91)
    }

    fn sized<const N: usize>(&self, tag: u32, expected: &'static str) -> Result<Option<[u8; N]>, FieldError> {
        let Some(value) = self.find(tag)? else { return Ok(None) };
        value.try_into().map(Some).map_err(|_| wrong(tag, expected))
    }

    /// Packed digits of that many bytes as a number.
    fn digits<const N: usize>(&self, tag: u32) -> Result<Option<u64>, FieldError> {
        const EXPECTED: &str = "packed digits of its length";
        let Some(bytes) = self.sized::<N>(tag, EXPECTED)? else { return Ok(None) };
        let number = bytes
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 0xF])
            .try_fold(0u64, |number, digit| (digit <= 9).then(|| number * 10 + u64::from(digit)));
        number.map(Some).ok_or(wrong(tag, EXPECTED))
    }

    /// Three bytes of packed digits as what `read` makes of the digits.
    fn packed<T>(
        &self,
        tag: u32,
        expected: &'static str,
        read: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, FieldError> {
        let Some(bytes) = self.sized::<3>(tag, expected)? else { return Ok(None) };
        let digits = bytes.map(|byte| [b'0' + (byte >> 4), b'0' + (byte & 0xF)]);
        read(digits.as_flattened()).map(Some).ok_or(wrong(tag, expected))
    }
}

impl CryptogramInfo {
    /// The kind of cryptogram.
    pub const fn kind(self) -> CryptogramKind {
        match self.0 >> 6 {
            0 => CryptogramKind::Declined,
            1 => CryptogramKind::Approved,
            2 => CryptogramKind::Request,
            _ => CryptogramKind::Reserved,
        }
    }

    /// Whether the card wants an advice to be sent.
    pub const fn wants_advice(self) -> bool {
        self.0 & 0x08 != 0
    }
}

impl CryptogramKind {
    /// What it is called, in English and in Chinese.
    pub const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Declined => ("AAC, declined", "AAC 拒绝"),
            Self::Approved => ("TC, approved offline", "TC 脱机批准"),
            Self::Request => ("ARQC, issuer is asked", "ARQC 请求联机"),
            Self::Reserved => ("reserved", "保留"),
        }
    }
}

impl Tvr {
    /// The bits that are set and have a meaning.
    pub fn flags(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        set(TVR, self.0)
    }

    /// Whether nothing was found wrong.
    pub fn is_clear(&self) -> bool {
        self.0 == [0; 5]
    }

    /// Whether the bit is set: `has(2, 0x80)` for a failed cardholder verification.
    pub fn has(&self, byte: usize, mask: u8) -> bool {
        self.0.get(byte).is_some_and(|found| found & mask != 0)
    }
}

impl Tsi {
    /// The bits that are set and have a meaning.
    pub fn flags(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        set(TSI, self.0)
    }
}

impl Aip {
    /// The bits that are set and have a meaning.
    pub fn flags(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        set(AIP, self.0)
    }
}

impl CvmResults {
    /// What the method is called, in English and in Chinese.
    pub const fn method_names(self) -> Option<(&'static str, &'static str)> {
        Some(match self.method & 0x3F {
            0x00 => ("verification failed", "持卡人验证失败"),
            0x01 => ("plaintext PIN, by the chip", "明文PIN脱机验证"),
            0x02 => ("enciphered PIN, online", "联机PIN"),
            0x03 => ("plaintext PIN, by the chip, and signature", "明文PIN脱机验证并签名"),
            0x04 => ("enciphered PIN, by the chip", "密文PIN脱机验证"),
            0x05 => ("enciphered PIN, by the chip, and signature", "密文PIN脱机验证并签名"),
            0x1E => ("signature", "签名"),
            0x1F => ("no verification required", "无需验证"),
            0x20 => ("holder's certificate", "持卡人证件"),
            0x3F => ("none performed", "未执行验证"),
            _ => return None,
        })
    }

    /// What the result is called, in English and in Chinese.
    pub const fn result_names(self) -> Option<(&'static str, &'static str)> {
        match self.result {
            0 => Some(("unknown", "未知")),
            1 => Some(("failed", "失败")),
            2 => Some(("successful", "成功")),
            _ => None,
        }
    }
}

impl fmt::Debug for Chip<'_> {
    /// Tags and lengths: a value may be a card number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objects = Tlvs::new(self.bytes).map_while(Result::ok);
        f.debug_map().entries(objects.map(|tlv| (format!("{:02X}", tlv.tag), tlv.value.len()))).finish()
    }
}

impl fmt::Debug for Cryptogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cryptogram({:?} {:02X?})", self.kind, self.bytes)
    }
}

fn wrong(tag: u32, expected: &'static str) -> FieldError {
    FieldError { path: ElementPath::Tag(DE, tag), expected }
}

fn set<const N: usize>(flags: &'static [Flag], bytes: [u8; N]) -> impl Iterator<Item = &'static Flag> {
    flags
        .iter()
        .filter(move |flag| bytes.get(usize::from(flag.byte)).is_some_and(|byte| byte & flag.mask != 0))
}

const fn flag(byte: u8, mask: u8, en: &'static str, zh: &'static str) -> Flag {
    Flag { byte, mask, en, zh }
}

/// EMV book 3, annex C5.
const TVR: &[Flag] = &[
    flag(0, 0x80, "offline data authentication was not performed", "未进行脱机数据认证"),
    flag(0, 0x40, "static data authentication failed", "静态数据认证失败"),
    flag(0, 0x20, "chip data missing", "IC卡数据缺失"),
    flag(0, 0x10, "card is on the terminal exception file", "卡片出现在终端异常文件中"),
    flag(0, 0x08, "dynamic data authentication failed", "动态数据认证失败"),
    flag(0, 0x04, "combined data authentication failed", "复合动态数据认证失败"),
    flag(0, 0x02, "static data authentication selected", "已选择静态数据认证"),
    flag(1, 0x80, "chip and terminal have different application versions", "IC卡和终端应用版本不一致"),
    flag(1, 0x40, "application expired", "应用已过期"),
    flag(1, 0x20, "application not yet effective", "应用尚未生效"),
    flag(1, 0x10, "service not allowed for the card product", "卡片不允许所请求的服务"),
    flag(1, 0x08, "new card", "新卡"),
    flag(2, 0x80, "cardholder verification was not successful", "持卡人验证失败"),
    flag(2, 0x40, "unrecognized verification method", "未知的持卡人验证方法"),
    flag(2, 0x20, "PIN try limit exceeded", "PIN重试次数超限"),
    flag(2, 0x10, "PIN required, PIN pad missing or not working", "要求输入PIN但密码键盘不存在或故障"),
    flag(2, 0x08, "PIN required, PIN pad present, PIN not entered", "要求输入PIN但未输入"),
    flag(2, 0x04, "online PIN entered", "已输入联机PIN"),
    flag(3, 0x80, "transaction exceeds floor limit", "交易超过最低限额"),
    flag(3, 0x40, "lower consecutive offline limit exceeded", "超过连续脱机交易下限"),
    flag(3, 0x20, "upper consecutive offline limit exceeded", "超过连续脱机交易上限"),
    flag(3, 0x10, "selected at random for online processing", "交易被随机选择联机处理"),
    flag(3, 0x08, "merchant forced transaction online", "商户要求联机交易"),
    flag(4, 0x80, "default list of transaction data used", "使用缺省TDOL"),
    flag(4, 0x40, "issuer authentication failed", "发卡行认证失败"),
    flag(4, 0x20, "script failed before the last cryptogram", "最后一次生成应用密文之前脚本处理失败"),
    flag(4, 0x10, "script failed after the last cryptogram", "最后一次生成应用密文之后脚本处理失败"),
];

/// EMV book 3, annex C6.
const TSI: &[Flag] = &[
    flag(0, 0x80, "offline data authentication was performed", "脱机数据认证已进行"),
    flag(0, 0x40, "cardholder verification was performed", "持卡人验证已进行"),
    flag(0, 0x20, "card risk management was performed", "卡片风险管理已进行"),
    flag(0, 0x10, "issuer authentication was performed", "发卡行认证已进行"),
    flag(0, 0x08, "terminal risk management was performed", "终端风险管理已进行"),
    flag(0, 0x04, "script processing was performed", "脚本处理已进行"),
];

/// EMV book 3, annex C1.
const AIP: &[Flag] = &[
    flag(0, 0x40, "static data authentication supported", "支持静态数据认证"),
    flag(0, 0x20, "dynamic data authentication supported", "支持动态数据认证"),
    flag(0, 0x10, "cardholder verification supported", "支持持卡人验证"),
    flag(0, 0x08, "terminal risk management is to be performed", "执行终端风险管理"),
    flag(0, 0x04, "issuer authentication by external authenticate supported", "支持发卡行认证"),
    flag(0, 0x01, "combined data authentication supported", "支持复合动态数据认证"),
];
