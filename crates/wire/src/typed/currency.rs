//! Currencies by their numbers (ISO 4217), as far as cards are used in them.

use std::fmt;

use super::{CHARACTERS_MAX, Field, FieldError, characters, wrong};
use crate::{BuildError, Builder, De, Message};

/// A currency as a number of three digits (element 49).
///
/// Any three digits are one: a switch carries currencies that it does not know.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(u16);

/// What is known of a currency.
struct Known {
    number: u16,
    letters: &'static str,
    exponent: u8,
    en: &'static str,
    zh: &'static str,
}

impl Currency {
    /// The renminbi.
    pub const CNY: Self = Self(156);
    /// The United States dollar.
    pub const USD: Self = Self(840);
    /// The euro.
    pub const EUR: Self = Self(978);

    /// The currency of a number below a thousand.
    pub const fn new(number: u16) -> Option<Self> {
        if number < 1000 { Some(Self(number)) } else { None }
    }

    /// The currency of three letters, where it is in the table.
    pub fn from_letters(letters: &str) -> Option<Self> {
        TABLE.iter().find(|known| known.letters == letters).map(|known| Self(known.number))
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Its three letters, where it is in the table.
    pub fn letters(self) -> Option<&'static str> {
        self.known().map(|known| known.letters)
    }

    /// Digits after the point, where it is in the table.
    pub fn exponent(self) -> Option<u8> {
        self.known().map(|known| known.exponent)
    }

    /// Its English and its Chinese name, where it is in the table.
    pub fn names(self) -> Option<(&'static str, &'static str)> {
        self.known().map(|known| (known.en, known.zh))
    }

    fn known(self) -> Option<&'static Known> {
        let index = TABLE.binary_search_by_key(&self.0, |known| known.number).ok()?;
        TABLE.get(index)
    }

    /// The currency that three digits or letters name.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        match text {
            [a, b, c] if text.iter().all(u8::is_ascii_digit) => {
                let digit = |c: &u8| u16::from(c - b'0');
                Self::new(digit(a) * 100 + digit(b) * 10 + digit(c))
            }
            _ => Self::from_letters(std::str::from_utf8(text).ok()?),
        }
    }
}

impl Field for Currency {
    const DE: De = 49;

    fn read(message: &Message<'_, '_>) -> Result<Option<Self>, FieldError> {
        const EXPECTED: &str = "a currency";
        let mut buf = [0; CHARACTERS_MAX];
        let Some(text) = characters(message, Self::DE, &mut buf, EXPECTED)? else { return Ok(None) };
        Self::parse(text).map(Some).ok_or(wrong(Self::DE, EXPECTED))
    }

    fn write(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        let digit = |number: u16| b'0' + (number % 10) as u8;
        let digits = [digit(self.0 / 100), digit(self.0 / 10), digit(self.0)];
        if super::fixed_units(builder.dialect(), Self::DE) != Some(3) {
            return Err(super::no_room(builder, Self::DE, "a currency"));
        }
        builder.text(Self::DE, std::str::from_utf8(&digits).unwrap_or_default()).map(|_| ())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.letters() {
            Some(letters) => write!(f, "Currency({:03} {letters})", self.0),
            None => write!(f, "Currency({:03})", self.0),
        }
    }
}

const fn of(number: u16, letters: &'static str, exponent: u8, en: &'static str, zh: &'static str) -> Known {
    Known { number, letters, exponent, en, zh }
}

/// By number.
const TABLE: &[Known] = &[
    of(8, "ALL", 2, "Albanian lek", "阿尔巴尼亚列克"),
    of(12, "DZD", 2, "Algerian dinar", "阿尔及利亚第纳尔"),
    of(32, "ARS", 2, "Argentine peso", "阿根廷比索"),
    of(36, "AUD", 2, "Australian dollar", "澳大利亚元"),
    of(48, "BHD", 3, "Bahraini dinar", "巴林第纳尔"),
    of(50, "BDT", 2, "Bangladeshi taka", "孟加拉塔卡"),
    of(51, "AMD", 2, "Armenian dram", "亚美尼亚德拉姆"),
    of(52, "BBD", 2, "Barbados dollar", "巴巴多斯元"),
    of(68, "BOB", 2, "Bolivian boliviano", "玻利维亚诺"),
    of(72, "BWP", 2, "Botswana pula", "博茨瓦纳普拉"),
    of(96, "BND", 2, "Brunei dollar", "文莱元"),
    of(104, "MMK", 2, "Myanmar kyat", "缅甸元"),
    of(116, "KHR", 2, "Cambodian riel", "柬埔寨瑞尔"),
    of(124, "CAD", 2, "Canadian dollar", "加拿大元"),
    of(144, "LKR", 2, "Sri Lanka rupee", "斯里兰卡卢比"),
    of(152, "CLP", 0, "Chilean peso", "智利比索"),
    of(156, "CNY", 2, "Chinese yuan renminbi", "人民币元"),
    of(170, "COP", 2, "Colombian peso", "哥伦比亚比索"),
    of(188, "CRC", 2, "Costa Rican colon", "哥斯达黎加科朗"),
    of(203, "CZK", 2, "Czech koruna", "捷克克朗"),
    of(208, "DKK", 2, "Danish krone", "丹麦克朗"),
    of(214, "DOP", 2, "Dominican peso", "多米尼加比索"),
    of(230, "ETB", 2, "Ethiopian birr", "埃塞俄比亚比尔"),
    of(242, "FJD", 2, "Fiji dollar", "斐济元"),
    of(320, "GTQ", 2, "Guatemalan quetzal", "危地马拉格查尔"),
    of(340, "HNL", 2, "Honduran lempira", "洪都拉斯伦皮拉"),
    of(344, "HKD", 2, "Hong Kong dollar", "港元"),
    of(348, "HUF", 2, "Hungarian forint", "匈牙利福林"),
    of(352, "ISK", 0, "Iceland krona", "冰岛克朗"),
    of(356, "INR", 2, "Indian rupee", "印度卢比"),
    of(360, "IDR", 2, "Indonesian rupiah", "印度尼西亚盾"),
    of(364, "IRR", 2, "Iranian rial", "伊朗里亚尔"),
    of(368, "IQD", 3, "Iraqi dinar", "伊拉克第纳尔"),
    of(376, "ILS", 2, "Israeli new shekel", "以色列新谢克尔"),
    of(388, "JMD", 2, "Jamaican dollar", "牙买加元"),
    of(392, "JPY", 0, "Japanese yen", "日元"),
    of(398, "KZT", 2, "Kazakhstan tenge", "哈萨克斯坦坚戈"),
    of(400, "JOD", 3, "Jordanian dinar", "约旦第纳尔"),
    of(404, "KES", 2, "Kenyan shilling", "肯尼亚先令"),
    of(410, "KRW", 0, "South Korean won", "韩元"),
    of(414, "KWD", 3, "Kuwaiti dinar", "科威特第纳尔"),
    of(417, "KGS", 2, "Kyrgyzstan som", "吉尔吉斯斯坦索姆"),
    of(418, "LAK", 2, "Lao kip", "老挝基普"),
    of(422, "LBP", 2, "Lebanese pound", "黎巴嫩镑"),
    of(434, "LYD", 3, "Libyan dinar", "利比亚第纳尔"),
    of(446, "MOP", 2, "Macao pataca", "澳门元"),
    of(458, "MYR", 2, "Malaysian ringgit", "马来西亚林吉特"),
    of(462, "MVR", 2, "Maldives rufiyaa", "马尔代夫拉菲亚"),
    of(480, "MUR", 2, "Mauritius rupee", "毛里求斯卢比"),
    of(484, "MXN", 2, "Mexican peso", "墨西哥比索"),
    of(496, "MNT", 2, "Mongolian tugrik", "蒙古图格里克"),
    of(498, "MDL", 2, "Moldovan leu", "摩尔多瓦列伊"),
    of(504, "MAD", 2, "Moroccan dirham", "摩洛哥迪拉姆"),
    of(512, "OMR", 3, "Omani rial", "阿曼里亚尔"),
    of(516, "NAD", 2, "Namibia dollar", "纳米比亚元"),
    of(524, "NPR", 2, "Nepalese rupee", "尼泊尔卢比"),
    of(554, "NZD", 2, "New Zealand dollar", "新西兰元"),
    of(566, "NGN", 2, "Nigerian naira", "尼日利亚奈拉"),
    of(578, "NOK", 2, "Norwegian krone", "挪威克朗"),
    of(586, "PKR", 2, "Pakistan rupee", "巴基斯坦卢比"),
    of(598, "PGK", 2, "Papua New Guinean kina", "巴布亚新几内亚基那"),
    of(600, "PYG", 0, "Paraguayan guarani", "巴拉圭瓜拉尼"),
    of(604, "PEN", 2, "Peruvian sol", "秘鲁索尔"),
    of(608, "PHP", 2, "Philippine peso", "菲律宾比索"),
    of(634, "QAR", 2, "Qatari rial", "卡塔尔里亚尔"),
    of(643, "RUB", 2, "Russian rouble", "俄罗斯卢布"),
    of(682, "SAR", 2, "Saudi riyal", "沙特里亚尔"),
    of(702, "SGD", 2, "Singapore dollar", "新加坡元"),
    of(704, "VND", 0, "Vietnamese dong", "越南盾"),
    of(710, "ZAR", 2, "South African rand", "南非兰特"),
    of(752, "SEK", 2, "Swedish krona", "瑞典克朗"),
    of(756, "CHF", 2, "Swiss franc", "瑞士法郎"),
    of(764, "THB", 2, "Thai baht", "泰铢"),
    of(780, "TTD", 2, "Trinidad and Tobago dollar", "特立尼达和多巴哥元"),
    of(784, "AED", 2, "UAE dirham", "阿联酋迪拉姆"),
    of(788, "TND", 3, "Tunisian dinar", "突尼斯第纳尔"),
    of(800, "UGX", 0, "Ugandan shilling", "乌干达先令"),
    of(807, "MKD", 2, "Macedonian denar", "马其顿第纳尔"),
    of(818, "EGP", 2, "Egyptian pound", "埃及镑"),
    of(826, "GBP", 2, "Pound sterling", "英镑"),
    of(834, "TZS", 2, "Tanzanian shilling", "坦桑尼亚先令"),
    of(840, "USD", 2, "US dollar", "美元"),
    of(858, "UYU", 2, "Uruguayan peso", "乌拉圭比索"),
    of(860, "UZS", 2, "Uzbekistan sum", "乌兹别克斯坦苏姆"),
    of(901, "TWD", 2, "New Taiwan dollar", "新台币"),
    of(934, "TMT", 2, "Turkmenistan manat", "土库曼斯坦马纳特"),
    of(936, "GHS", 2, "Ghana cedi", "加纳塞地"),
    of(941, "RSD", 2, "Serbian dinar", "塞尔维亚第纳尔"),
    of(944, "AZN", 2, "Azerbaijan manat", "阿塞拜疆马纳特"),
    of(946, "RON", 2, "Romanian leu", "罗马尼亚列伊"),
    of(949, "TRY", 2, "Turkish lira", "土耳其里拉"),
    of(950, "XAF", 0, "CFA franc BEAC", "中非法郎"),
    of(951, "XCD", 2, "East Caribbean dollar", "东加勒比元"),
    of(952, "XOF", 0, "CFA franc BCEAO", "西非法郎"),
    of(953, "XPF", 0, "CFP franc", "太平洋法郎"),
    of(967, "ZMW", 2, "Zambian kwacha", "赞比亚克瓦查"),
    of(971, "AFN", 2, "Afghan afghani", "阿富汗尼"),
    of(972, "TJS", 2, "Tajikistan somoni", "塔吉克斯坦索莫尼"),
    of(973, "AOA", 2, "Angolan kwanza", "安哥拉宽扎"),
    of(978, "EUR", 2, "Euro", "欧元"),
    of(980, "UAH", 2, "Ukrainian hryvnia", "乌克兰格里夫纳"),
    of(981, "GEL", 2, "Georgian lari", "格鲁吉亚拉里"),
    of(985, "PLN", 2, "Polish zloty", "波兰兹罗提"),
    of(986, "BRL", 2, "Brazilian real", "巴西雷亚尔"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_says_each_once() {
        assert!(TABLE.windows(2).all(|pair| pair[0].number < pair[1].number));
        let mut letters: Vec<_> = TABLE.iter().map(|known| known.letters).collect();
        letters.sort_unstable();
        assert!(letters.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(TABLE.iter().all(|known| known.letters.len() == 3 && known.exponent <= 3));
    }

    #[test]
    fn currencies_are_found_by_number_and_letters() {
        assert_eq!(Currency::parse(b"156"), Some(Currency::CNY));
        assert_eq!(Currency::parse(b"USD"), Some(Currency::USD));
        assert_eq!(Currency::parse(b"392").and_then(Currency::exponent), Some(0));
        assert_eq!(Currency::parse(b"414").and_then(Currency::exponent), Some(3));
        assert_eq!(Currency::EUR.names(), Some(("Euro", "欧元")));
        // One that is not known is carried all the same.
        assert_eq!(
            Currency::parse(b"999").map(|currency| (currency.number(), currency.letters())),
            Some((999, None))
        );
        assert_eq!((Currency::parse(b"Q1"), Currency::new(1000)), (None, None));
    }
}
