//! Results as UnionPay POS spells them in DE 39; other dialects map from these.

use crate::ids::{DataError, deserialize_ascii, serialize_ascii};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// DE 39, `an2`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResponseCode([u8; 2]);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $zh:literal, $en:literal;)*) => {
        impl ResponseCode {
            $($(#[$doc])* pub const $name: Self = Self(*$value);)*
            /// Every code that has a name here, approval first.
            pub const NAMED: &[Self] = &[$(Self::$name),*];
            /// What the code means, in Chinese and in English.
            pub fn meaning(self) -> Option<(&'static str, &'static str)> {
                match &self.0 { $($value => Some(($zh, $en)),)* _ => None }
            }
        }
    };
}
codes! {
    /// Approved.
    APPROVED = b"00", "承兑", "approved";
    /// No such merchant.
    INVALID_MERCHANT = b"03", "无效商户", "invalid merchant";
    /// Do not honour.
    DO_NOT_HONOUR = b"05", "不予承兑", "do not honour";
    /// Partial approval.
    PARTIAL = b"10", "部分承兑", "partially approved";
    /// The transaction cannot be done like this.
    INVALID_TRANSACTION = b"12", "无效交易", "invalid transaction";
    /// The amount cannot be.
    INVALID_AMOUNT = b"13", "无效金额", "invalid amount";
    /// The card number cannot be, or is not the original's.
    INVALID_CARD = b"14", "无效卡号", "invalid card number";
    /// Nobody issues this card.
    NO_SUCH_ISSUER = b"15", "无此发卡方", "no such issuer";
    /// The related transaction is in doubt.
    MALFUNCTION = b"22", "故障怀疑,关联交易错误", "related transaction in doubt";
    /// The original cannot be found, or is not in a state that allows this.
    ORIGINAL_NOT_FOUND = b"25", "找不到原始交易", "original transaction not found";
    /// The message is not what the dialect says.
    FORMAT_ERROR = b"30", "格式错误", "format error";
    /// The function is not offered.
    NOT_SUPPORTED = b"40", "功能不支持", "function not supported";
    /// The card was reported lost.
    LOST_CARD = b"41", "挂失卡", "lost card";
    /// The card was reported stolen.
    STOLEN_CARD = b"43", "被窃卡", "stolen card";
    /// Not enough money.
    INSUFFICIENT_FUNDS = b"51", "余额不足", "insufficient funds";
    /// The card has expired.
    EXPIRED_CARD = b"54", "过期的卡", "expired card";
    /// The PIN is wrong.
    WRONG_PIN = b"55", "密码错", "wrong PIN";
    /// The card is not for this.
    CARD_NOT_PERMITTED = b"57", "不允许此卡交易", "not permitted to cardholder";
    /// The terminal may not do this.
    TERMINAL_NOT_PERMITTED = b"58", "终端不允许", "not permitted to terminal";
    /// Fraud is suspected.
    SUSPECTED_FRAUD = b"59", "有作弊嫌疑", "suspected fraud";
    /// Over the amount limit.
    AMOUNT_LIMIT = b"61", "超出金额限制", "exceeds amount limit";
    /// The card is restricted.
    RESTRICTED_CARD = b"62", "受限制的卡", "restricted card";
    /// The amount does not fit the original's.
    ORIGINAL_AMOUNT = b"64", "原始金额错误", "original amount wrong";
    /// Over the count limit.
    COUNT_LIMIT = b"65", "超出取款次数限制", "exceeds count limit";
    /// The issuer answered too late.
    ISSUER_TIMEOUT = b"68", "发卡行超时", "issuer timed out";
    /// Too many wrong PINs.
    PIN_TRIES_EXCEEDED = b"75", "密码错误次数超限", "PIN tries exceeded";
    /// The terminal has to sign on, or its batch is not the one the host expects.
    SIGN_ON_REQUIRED = b"77", "需要签到或批次不一致", "sign on again";
    /// The uploaded batch does not agree with the end message.
    UPLOAD_MISMATCH = b"79", "对账不平", "upload does not agree";
    /// The business day is changing.
    CUT_OFF = b"90", "正在日终处理", "cut-over in progress";
    /// The issuer cannot be reached.
    ISSUER_INOPERATIVE = b"91", "发卡方不能操作", "issuer inoperative";
    /// There is no way to the issuer.
    NO_ROUTE = b"92", "找不到路由", "no route";
    /// The same trace number with another content.
    DUPLICATE = b"94", "重复交易", "duplicate transmission";
    /// The switch itself cannot.
    SYSTEM_MALFUNCTION = b"96", "系统异常", "system malfunction";
    /// The terminal is unknown.
    UNKNOWN_TERMINAL = b"97", "终端号找不到", "unknown terminal";
    /// The issuer did not answer in time: the outcome is unknown and a reversal is on its way.
    NO_ISSUER_ANSWER = b"98", "收不到发卡方应答", "no answer from issuer";
    /// The PIN block is malformed.
    PIN_FORMAT = b"99", "密码格式错", "PIN format error";
    /// The message authentication code is wrong.
    MAC_ERROR = b"A0", "校验错", "MAC error";
    /// The security module could not do its part.
    SECURITY_FAILURE = b"A7", "安全处理失败", "security processing failed";
}

impl ResponseCode {
    /// Whether DE 39 says that the transaction took place (class A).
    pub fn is_approval(self) -> bool {
        matches!(&self.0, b"00" | b"10" | b"11" | b"A2" | b"A4" | b"A5" | b"A6")
    }
    /// Whether DE 39 says that whoever answers does not know what became of it (class E).
    pub fn is_unknown(self) -> bool {
        matches!(&self.0, b"06" | b"98")
    }
    /// The two characters.
    pub fn as_bytes(&self) -> &[u8; 2] {
        &self.0
    }
    /// The two characters as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("??")
    }
}

impl TryFrom<&[u8]> for ResponseCode {
    type Error = DataError;
    fn try_from(bytes: &[u8]) -> Result<Self, DataError> {
        let code: [u8; 2] = bytes.try_into().map_err(|_| DataError::Length {
            what: "response code",
            need_min: 2,
            need_max: 2,
            have: bytes.len(),
        })?;
        match code.iter().position(|b| !b.is_ascii_alphanumeric()) {
            Some(position) => {
                Err(DataError::Character { what: "response code", byte: code[position], position })
            }
            None => Ok(Self(code)),
        }
    }
}
impl std::str::FromStr for ResponseCode {
    type Err = DataError;
    fn from_str(text: &str) -> Result<Self, DataError> {
        Self::try_from(text.as_bytes())
    }
}
impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Debug for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseCode({self})")
    }
}
impl Serialize for ResponseCode {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        serialize_ascii(&self.0, s)
    }
}
impl<'de> Deserialize<'de> for ResponseCode {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::try_from(deserialize_ascii(d)?.as_slice()).map_err(de::Error::custom)
    }
}
