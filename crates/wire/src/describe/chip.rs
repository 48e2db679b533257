//! What chip data is called and means: names of tags, and what their bits and codes say.

use crate::typed::{Aip, CryptogramInfo, Currency, CvmResults, Flag, Tsi, Tvr};

/// The name of a chip data tag.
pub fn tag_name(tag: u32) -> Option<&'static str> {
    names(tag).map(|(en, _)| en)
}

/// The Chinese name of a chip data tag.
pub fn tag_name_zh(tag: u32) -> Option<&'static str> {
    names(tag).map(|(_, zh)| zh)
}

fn names(tag: u32) -> Option<(&'static str, &'static str)> {
    let index = TAGS.binary_search_by_key(&tag, |(known, ..)| *known).ok()?;
    TAGS.get(index).map(|(_, en, zh)| (*en, *zh))
}

/// What the value of a tag, in hexadecimal, says: a line each, English and Chinese. Nothing for values of another
/// length, and for tags whose value is what it says.
pub(super) fn meanings(tag: u32, hex: &str) -> Vec<(&'static str, &'static str)> {
    let flags =
        |flags: &mut dyn Iterator<Item = &'static Flag>| flags.map(|flag| (flag.en, flag.zh)).collect();
    match tag {
        0x82 => bytes(hex).map(|bits| flags(&mut Aip(bits).flags())).unwrap_or_default(),
        0x95 => bytes(hex).map(|bits| flags(&mut Tvr(bits).flags())).unwrap_or_default(),
        0x9B => bytes(hex).map(|bits| flags(&mut Tsi(bits).flags())).unwrap_or_default(),
        0x9F27 => bytes(hex).map(|[byte]| vec![CryptogramInfo(byte).kind().names()]).unwrap_or_default(),
        0x9F34 => bytes(hex).map(cvm).unwrap_or_default(),
        0x5F2A => currency(hex).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn cvm([method, condition, result]: [u8; 3]) -> Vec<(&'static str, &'static str)> {
    let results = CvmResults { method, condition, result };
    results.method_names().into_iter().chain(results.result_names()).collect()
}

/// Four digits, the first a filler.
fn currency(hex: &str) -> Option<(&'static str, &'static str)> {
    Currency::parse(hex.strip_prefix('0')?.as_bytes())?.names()
}

fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    crate::json::unhex(hex)?.try_into().ok()
}

/// By tag.
const TAGS: &[(u32, &str, &str)] = &[
    (0x4F, "application identifier", "应用标识符"),
    (0x50, "application label", "应用标签"),
    (0x56, "track 1 data", "一磁道数据"),
    (0x57, "track 2 equivalent data", "二磁道等效数据"),
    (0x5A, "application PAN", "应用主账号"),
    (0x71, "issuer script template 1", "发卡行脚本模板1"),
    (0x72, "issuer script template 2", "发卡行脚本模板2"),
    (0x82, "application interchange profile", "应用交互特征"),
    (0x84, "dedicated file name", "专用文件名称"),
    (0x86, "issuer script command", "发卡行脚本命令"),
    (0x89, "authorization code", "授权码"),
    (0x8A, "authorization response code", "授权响应代码"),
    (0x8E, "cardholder verification method list", "持卡人验证方法列表"),
    (0x91, "issuer authentication data", "发卡行认证数据"),
    (0x95, "terminal verification results", "终端验证结果"),
    (0x99, "transaction PIN data", "交易个人识别码数据"),
    (0x9A, "transaction date", "交易日期"),
    (0x9B, "transaction status information", "交易状态信息"),
    (0x9C, "transaction type", "交易类型"),
    (0x5F20, "cardholder name", "持卡人姓名"),
    (0x5F24, "application expiration date", "应用失效日期"),
    (0x5F25, "application effective date", "应用生效日期"),
    (0x5F28, "issuer country code", "发卡行国家代码"),
    (0x5F2A, "transaction currency code", "交易货币代码"),
    (0x5F34, "PAN sequence number", "应用主账号序列号"),
    (0x9F01, "acquirer identifier", "收单行标识"),
    (0x9F02, "amount authorized", "授权金额"),
    (0x9F03, "amount other", "其他金额"),
    (0x9F06, "application identifier (terminal)", "终端应用标识符"),
    (0x9F07, "application usage control", "应用用途控制"),
    (0x9F08, "application version (card)", "卡片应用版本号"),
    (0x9F09, "application version (terminal)", "终端应用版本号"),
    (0x9F0D, "issuer action code default", "发卡行行为代码-缺省"),
    (0x9F0E, "issuer action code denial", "发卡行行为代码-拒绝"),
    (0x9F0F, "issuer action code online", "发卡行行为代码-联机"),
    (0x9F10, "issuer application data", "发卡行应用数据"),
    (0x9F18, "issuer script identifier", "发卡行脚本标识"),
    (0x9F1A, "terminal country code", "终端国家代码"),
    (0x9F1E, "interface device serial number", "接口设备序列号"),
    (0x9F1F, "track 1 discretionary data", "一磁道自定义数据"),
    (0x9F20, "track 2 discretionary data", "二磁道自定义数据"),
    (0x9F21, "transaction time", "交易时间"),
    (0x9F26, "application cryptogram", "应用密文"),
    (0x9F27, "cryptogram information data", "密文信息数据"),
    (0x9F33, "terminal capabilities", "终端性能"),
    (0x9F34, "cardholder verification method results", "持卡人验证方法结果"),
    (0x9F35, "terminal type", "终端类型"),
    (0x9F36, "application transaction counter", "应用交易计数器"),
    (0x9F37, "unpredictable number", "不可预知数"),
    (0x9F41, "transaction sequence counter", "交易序列计数器"),
    (0x9F53, "transaction category code", "交易类别代码"),
    (0x9F63, "card product identification", "卡产品标识信息"),
    (0x9F66, "terminal transaction qualifiers", "终端交易属性"),
    (0x9F6B, "track 2 data (contactless)", "二磁道数据(非接触)"),
    (0x9F6C, "card transaction qualifiers", "卡片交易属性"),
    (0x9F74, "electronic cash authorization code", "电子现金发卡行授权码"),
    (0x9F79, "electronic cash balance", "电子现金余额"),
    (0x9F7B, "electronic cash transaction limit", "电子现金终端交易限额"),
    (0xDF31, "issuer script results", "发卡行脚本结果"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_sorted_and_named_once() {
        assert!(TAGS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(
            (tag_name(0x9F26), tag_name_zh(0x9F26)),
            (Some("application cryptogram"), Some("应用密文"))
        );
        assert_eq!(tag_name(0x01), None);
    }

    #[test]
    fn values_of_another_length_say_nothing() {
        for (tag, hex) in [(0x95, "0000"), (0x9F27, ""), (0x9F34, "zz0000"), (0x5F2A, "1156"), (0x82, "é000")]
        {
            assert_eq!(meanings(tag, hex), [], "{tag:X} {hex}");
        }
        assert_eq!(meanings(0x5F2A, "0156"), [("Chinese yuan renminbi", "人民币元")]);
        assert_eq!(meanings(0x9F27, "80"), [("ARQC, issuer is asked", "ARQC 请求联机")]);
        assert_eq!(meanings(0x9F34, "420302").len(), 2);
    }
}
