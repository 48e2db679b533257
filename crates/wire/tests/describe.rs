//! What people read: names and meanings of elements, codes, tags and bits.

// A test fails by unwrapping; the lint knows that only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use switchyard_wire::describe::{describe, describe_mti, describe_mti_zh};
use switchyard_wire::{Dialect, Masking, Mti, json::from_json};

fn described(name: &str, mti: &str, fields: Value) -> String {
    let dialect = Dialect::builtin(name).unwrap();
    let body = from_json(dialect, &json!({"mti": mti, "fields": fields})).unwrap();
    describe(&dialect.parse(&body).unwrap(), Masking::Masked)
}

fn says(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|found| found.trim() == *line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn a_terminals_sale_is_named_in_english_and_chinese() {
    let text = described(
        "unionpay-pos",
        "0200",
        json!({
            "2": "4111111111111111", "3": "000000", "4": "000000012345", "11": "000001", "22": "051", "25": "00",
            "49": "156", "52": "0011223344556677", "53": "2600000000000000", "60": "22000001000500",
            "55": "9F260801020304050607089F2701809F36020007950500000480009B02E80082027C009F34034203025F2A020156"
        }),
    );
    says(
        &text,
        &[
            "0200 financial request (1987) 金融类请求(1987) · unionpay-pos · sale 消费",
            "2       primary account number 主账号: 411111******1111",
            "22.1    PAN entry: 05 — chip IC卡接触",
            "22.2    PIN capability: 1 — PIN present 含PIN",
            "25      point of service condition code 服务点条件码: 00 — normal 正常",
            "49      currency code, transaction 交易货币代码: 156 — Chinese yuan renminbi 人民币元",
            "52      pin data 个人标识码数据: ****************",
            "53.2    algorithm 加密算法: 6 — double-length DES 双倍长",
            "60.1    transaction type 交易类型码: 22 — sale 消费",
            "9F27 cryptogram information data 密文信息数据: 80",
            "· ARQC, issuer is asked ARQC 请求联机",
            "95 terminal verification results 终端验证结果: 0000048000",
            "· online PIN entered 已输入联机PIN",
            "· transaction exceeds floor limit 交易超过最低限额",
            "· enciphered PIN, online 联机PIN",
            "· Chinese yuan renminbi 人民币元",
        ],
    );
}

#[test]
fn codes_of_each_edition_have_their_meanings() {
    let old = described("iso87-binary", "0210", json!({"3": "310000", "39": "51", "49": "840", "70": "301"}));
    says(
        &old,
        &[
            "3.1     transaction type: 31 — balance inquiry",
            "3.2     from account: 00 — default account",
            "39      response code 应答码: 51 — insufficient funds",
            "49      currency code, transaction 交易货币代码: 840 — US dollar 美元",
            "70      network management information code 网络管理信息码: 301 — echo test",
        ],
    );
    let middle = described(
        "iso93-ascii",
        "1210",
        json!({"3": "000000", "22": "51110151134C", "24": "200", "25": "4021", "39": "116", "49": "978"}),
    );
    says(
        &middle,
        &[
            "1210 financial response (1993) · iso93-ascii",
            "22.1    card data input capability: 5 — chip",
            "22.7    card data input mode: 5 — chip",
            "22.12   PIN capture capability: C — twelve digits",
            "24      function code: 200 — original financial",
            "25      message reason code: 4021 — timeout waiting for response",
            "39      action code: 116 — insufficient funds",
            "49      currency code, transaction: 978 — Euro 欧元",
        ],
    );
    // Element 49 is something else in 2003.
    let new = described("iso2003-ascii", "2210", json!({"39": "1016", "49": "313536"}));
    assert!(new.contains("49      verification data: ") && !new.contains("yuan"), "{new}");
}

#[test]
fn each_digit_of_a_message_type_has_its_word() {
    let cases = [
        (0x0101, "authorization request, repeat (1987)", "授权类请求,重发(1987)"),
        (0x0330, "file action advice response (1987)", "文件更新类通知应答(1987)"),
        (0x1421, "reversal advice, repeat (1993)", "冲正类通知,重发(1993)"),
        (0x2540, "reconciliation notification (2003)", "对账类告知(2003)"),
        (0x9660, "administrative instruction (private)", "管理类指令(自定义)"),
        (0x0720, "fee collection advice (1987)", "收费类通知(1987)"),
        (0x0890, "network management reserved function (1987)", "网络管理类保留(1987)"),
    ];
    for (mti, en, zh) in cases {
        let mti = Mti::new(mti);
        assert_eq!((describe_mti(mti).as_str(), describe_mti_zh(mti).as_str()), (en, zh));
    }
}
