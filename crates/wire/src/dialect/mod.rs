//! Dialects: who writes which element how, as data.

use std::sync::{Arc, LazyLock};

mod compile;
mod compose;
mod element;
mod file;
mod presence;

pub(crate) use element::{Check, Layout, Rule, Scale, TextPad};
pub use element::{
    Class, Composition, Counts, Element, Encoding, Length, Pad, Prefix, PrefixEncoding, Sensitivity, Side,
    Subfield, SubfieldLayout,
};

pub use presence::{Need, Presence};

use crate::builder::Plan;
use crate::error::DialectError;
use crate::shape::Shapes;
use crate::{De, EnvelopeKind, Framing, Mti, SLOTS};
use compile::{Defaults, unknown, word_or};
use file::{CodeFile, DialectFile, TransactionFile};

/// A dialect compiled from TOML: immutable, and shared between threads by reference.
#[derive(Debug)]
pub struct Dialect {
    name: Arc<str>,
    title: Box<str>,
    framing: Framing,
    envelope: EnvelopeKind,
    pub(crate) mti: Encoding,
    pub(crate) bitmap: Encoding,
    pub(crate) bitmaps_min: usize,
    pub(crate) bitmaps_max: usize,
    /// The element that holds the third bitmap.
    pub(crate) third: Option<De>,
    pub(crate) announces: bool,
    pub(crate) layouts: Box<[Layout; SLOTS]>,
    pub(crate) plans: Box<[Plan]>,
    elements: Box<[Option<Element>]>,
    codes: Box<[CodeTable]>,
    transactions: Box<[Transaction]>,
    presence: Box<[Presence]>,
    pub(crate) shapes: Shapes,
}

/// The meanings of one element's or subfield's values.
#[derive(Debug)]
struct CodeTable {
    path: Box<str>,
    /// Sorted by code.
    codes: Box<[(Box<str>, Meaning)]>,
}

/// What a code means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// In English.
    pub en: Box<str>,
    /// In Chinese, where the dialect says.
    pub zh: Option<Box<str>>,
}

/// One condition of a selector: the value at a path is one of these.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) path: Box<str>,
    pub(crate) values: Box<[String]>,
}

/// A transaction that the dialect knows: how it is recognised and what it must carry.
#[derive(Debug, PartialEq, Eq)]
pub struct Transaction {
    /// English name.
    pub name: Box<str>,
    /// Chinese name.
    pub name_zh: Option<Box<str>>,
    /// Message type of the request.
    pub mti: Mti,
    pub(crate) when: Box<[Condition]>,
    /// Elements that a request must have.
    pub request: Box<[De]>,
    /// Elements that a reply has.
    pub reply: Box<[De]>,
}

macro_rules! builtin {
    ($($name:literal),* $(,)?) => {
        const NAMES: &[&str] = &[$($name),*];
        const TEXTS: &[&str] = &[$(include_str!(concat!("../../dialects/", $name, ".toml"))),*];
        static COMPILED: [LazyLock<Dialect>; NAMES.len()] = [$(LazyLock::new(|| compiled($name))),*];
    };
}

builtin!(
    "iso87-ascii",
    "iso87-ascii-binbitmap",
    "iso87-binary",
    "iso87-ebcdic",
    "iso93-ascii",
    "iso93-binary",
    "iso2003-ascii",
    "iso2003-binary",
    "unionpay-pos",
);

fn compiled(name: &str) -> Dialect {
    let text = builtin_text(name).expect("only names from the table are compiled");
    Dialect::from_toml(text).expect("a test compiles every built-in dialect")
}

/// The source of a built-in dialect.
fn builtin_text(name: &str) -> Option<&'static str> {
    NAMES.iter().position(|known| *known == name).map(|index| TEXTS[index])
}

impl Dialect {
    /// A dialect that ships with the crate, compiled at its first use.
    pub fn builtin(name: &str) -> Option<&'static Self> {
        NAMES.iter().position(|known| *known == name).map(|index| &*COMPILED[index])
    }

    /// Names of the dialects that ship with the crate.
    pub fn builtin_names() -> &'static [&'static str] {
        NAMES
    }

    /// The TOML source of a built-in dialect, to show or to extend.
    pub fn builtin_source(name: &str) -> Option<&'static str> {
        builtin_text(name)
    }

    /// Compiles a dialect file.
    ///
    /// # Errors
    /// [`DialectError::Toml`] for a file of another shape; [`DialectError::UnknownValue`] and
    /// [`DialectError::OutOfRange`] name the key; [`DialectError::UnknownBase`] for a bad `extends`.
    pub fn from_toml(text: &str) -> Result<Self, DialectError> {
        let mut file = file::load(text)?;
        let defaults = Defaults::of(&file)?;
        let mut elements: Box<[Option<Element>]> = vec![None; SLOTS].into();
        let mut layouts = Box::new([Layout::default(); SLOTS]);
        for (key, element) in std::mem::take(&mut file.elements) {
            if let Some(element) = defaults.element(&key, element)? {
                let index = usize::from(element.de);
                check_reach(&file, element.de)?;
                layouts[index] = Layout::of(&element);
                elements[index] = Some(element);
            }
        }
        Self::assemble(file, elements, layouts)
    }

    fn assemble(
        file: DialectFile,
        elements: Box<[Option<Element>]>,
        layouts: Box<[Layout; SLOTS]>,
    ) -> Result<Self, DialectError> {
        let name = &file.name;
        let framing = file.framing.as_deref().unwrap_or("len2-be");
        let framing =
            framing.parse().map_err(|_| unknown(name, "framing", framing, "a framing, as in len2-be"))?;
        let envelope = file.envelope.as_deref().unwrap_or("none");
        let envelope = envelope.parse().map_err(|_| {
            unknown(name, "envelope", envelope, "none, tpdu, tpdu-header, header, tpdu-version, cups, base1")
        })?;
        let mti = word_or(name, "mti.encoding", file.mti.encoding.as_deref(), Encoding::Ascii)?;
        if !matches!(mti, Encoding::Ascii | Encoding::Ebcdic | Encoding::Bcd) {
            let given = file.mti.encoding.as_deref().unwrap_or_default();
            return Err(unknown(name, "mti.encoding", given, "ascii, ebcdic, bcd"));
        }
        let bitmap = word_or(name, "bitmap.encoding", file.bitmap.encoding.as_deref(), Encoding::Raw)?;
        if !matches!(bitmap, Encoding::Raw | Encoding::Hex | Encoding::EbcdicHex) {
            let given = file.bitmap.encoding.as_deref().unwrap_or_default();
            return Err(unknown(name, "bitmap.encoding", given, "raw, hex, ebcdic-hex"));
        }
        let (min, max) = (file.bitmap.min.unwrap_or(1), file.bitmap.max.unwrap_or(2));
        for (key, value, least) in [("bitmap.min", min, 1), ("bitmap.max", max, min)] {
            if !(least..=3).contains(&value) {
                let (dialect, key) = (name.clone(), key.to_owned());
                return Err(DialectError::OutOfRange { dialect, key, value, min: least, max: 3 });
            }
        }
        if file.bitmap.announce == Some(false) && min != max {
            return Err(unknown(name, "bitmap.announce", "false", "true, unless min is max"));
        }
        if let Some(third) = file.bitmap.third {
            check_third(name, third, max, elements.get(usize::from(third)).and_then(Option::as_ref))?;
        }
        let transactions: Result<Box<[_]>, _> =
            file.transactions.into_iter().map(|transaction| compile_transaction(name, transaction)).collect();
        let presence: Result<Box<[_]>, _> =
            file.presence.into_iter().map(|table| presence::compile(name, &elements, table)).collect();
        Ok(Self {
            name: name.as_str().into(),
            title: file.title.into(),
            framing,
            envelope,
            mti,
            bitmap,
            bitmaps_min: min,
            bitmaps_max: max,
            third: file.bitmap.third,
            announces: file.bitmap.announce.unwrap_or(true),
            layouts,
            plans: elements
                .iter()
                .map(|element| element.as_ref().map(Plan::of).unwrap_or_default())
                .collect(),
            elements,
            codes: file.codes.into_iter().map(|(path, codes)| code_table(path, codes)).collect(),
            transactions: transactions?,
            presence: presence?,
            shapes: Shapes::default(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of one bitmap on the wire.
    #[inline]
    pub(crate) fn bitmap_bytes(&self) -> usize {
        if self.bitmap == Encoding::Raw { 8 } else { 16 }
    }

    pub(crate) fn name_arc(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// What it is, in a line.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The framing of links of this dialect unless they are configured otherwise.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// The envelope of links of this dialect unless they are configured otherwise.
    pub fn envelope(&self) -> EnvelopeKind {
        self.envelope
    }

    /// The definition of an element.
    pub fn element(&self, de: De) -> Option<&Element> {
        self.elements.get(usize::from(de))?.as_ref()
    }

    /// Every element, ascending.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.elements.iter().flatten()
    }

    /// The transactions it knows.
    pub fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    /// What a code means: `meaning("39", "51")`, `meaning("60.3", "201")`.
    pub fn meaning(&self, path: &str, code: &str) -> Option<&Meaning> {
        let table = self.codes.iter().find(|table| &*table.path == path)?;
        let index = table.codes.binary_search_by(|(known, _)| (**known).cmp(code)).ok()?;
        Some(&table.codes[index].1)
    }
}

/// An element must be under a bitmap that can exist, and not where a bit announces the next bitmap.
fn check_reach(file: &DialectFile, de: De) -> Result<(), DialectError> {
    let bitmaps = file.bitmap.max.unwrap_or(2);
    let value = usize::from(de);
    let max = if file.bitmap.third.is_some() { 192 } else { bitmaps.saturating_mul(64) };
    let announces = bitmaps >= 3 && (de == 65 || de == 129);
    if value <= max && !announces {
        return Ok(());
    }
    let key = format!("elements.{de} (bitmap.max = {bitmaps})");
    Err(DialectError::OutOfRange { dialect: file.name.clone(), key, value, min: 2, max })
}

/// Whether a third bitmap can stand in an element: one that the first two can announce, of eight bytes.
pub(crate) const fn third_fits(third: De, bitmaps_max: usize, is_eight_bytes: bool) -> bool {
    is_eight_bytes && bitmaps_max <= 2 && third as usize <= bitmaps_max * 64
}

fn check_third(dialect: &str, third: De, max: usize, element: Option<&Element>) -> Result<(), DialectError> {
    let is_eight_bytes = element.is_some_and(|element| {
        element.class() == Class::Binary && matches!(element.length(), Length::Fixed(8))
    });
    if third_fits(third, max, is_eight_bytes) {
        return Ok(());
    }
    let expected = "an element b8 under the first two bitmaps, and max of 2";
    Err(unknown(dialect, "bitmap.third", &third.to_string(), expected))
}

fn code_table(path: String, codes: std::collections::BTreeMap<String, CodeFile>) -> CodeTable {
    let codes = codes.into_iter().map(|(code, meaning)| {
        let meaning = match meaning {
            CodeFile::English(en) => Meaning { en: en.into(), zh: None },
            CodeFile::Both([en, zh]) => Meaning { en: en.into(), zh: Some(zh.into()) },
        };
        (code.into(), meaning)
    });
    CodeTable { path: path.into(), codes: codes.collect() }
}

fn compile_transaction(dialect: &str, file: TransactionFile) -> Result<Transaction, DialectError> {
    let mti = file
        .mti
        .parse()
        .map_err(|_| unknown(dialect, format!("transactions.{}.mti", file.name), &file.mti, "four digits"))?;
    Ok(Transaction {
        name: file.name.into(),
        name_zh: file.zh.map(Into::into),
        mti,
        when: presence::conditions(file.when),
        request: file.request.into(),
        reply: file.reply.into(),
    })
}
