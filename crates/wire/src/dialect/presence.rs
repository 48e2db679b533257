//! Which elements messages must have, may have and must not have, by message type.

use std::collections::BTreeMap;

use super::compile::{unknown, word_or};
use super::file::{OneOrMany, PathFile, PresenceFile};
use super::{Condition, Dialect, Element};
use crate::error::DialectError;
use crate::{De, ElementPath, Mti};

/// What a table says of an element in a message type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// `mandatory`: a message without it is refused.
    Mandatory,
    /// `conditional`: there when something holds that the table does not say, or says in `required`.
    Conditional,
    /// `optional`, or not in the table.
    Optional,
    /// `forbidden`: a message with it is refused.
    Forbidden,
}

/// The table of some message types.
#[derive(Debug, PartialEq, Eq)]
pub struct Presence {
    pub(crate) mtis: Box<[Mti]>,
    /// Ascending by path.
    pub(crate) needs: Box<[(ElementPath, Need)]>,
    pub(crate) one_of: Box<[Box<[ElementPath]>]>,
    pub(crate) required: Box<[Required]>,
    pub(crate) others: Need,
}

/// Elements that are mandatory when the message has certain values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Required {
    pub(crate) when: Box<[Condition]>,
    pub(crate) paths: Box<[ElementPath]>,
}

impl Presence {
    /// The message types it holds for; their repeats are meant too.
    pub fn mtis(&self) -> &[Mti] {
        &self.mtis
    }

    /// What it says of an element, subfield or tag.
    pub fn need(&self, path: ElementPath) -> Need {
        let index = self.needs.binary_search_by_key(&path, |(known, _)| *known);
        match (index, path) {
            (Ok(index), _) => self.needs[index].1,
            (Err(_), ElementPath::De(_)) => self.others,
            (Err(_), _) => Need::Optional,
        }
    }

    /// Everything that the table names, ascending.
    pub fn needs(&self) -> &[(ElementPath, Need)] {
        &self.needs
    }
}

impl Dialect {
    /// The tables of its message types.
    pub fn presence(&self) -> &[Presence] {
        &self.presence
    }

    /// The table of a message type; a repeat has that of what it repeats.
    pub fn presence_of(&self, mti: Mti) -> Option<&Presence> {
        let mti = mti.original();
        self.presence.iter().find(|table| table.mtis.contains(&mti))
    }
}

/// Compiles one table. What the dialect has no element for is left out: a dialect that removes an element of the
/// one it extends keeps the rest of its tables.
pub(super) fn compile(
    dialect: &str,
    elements: &[Option<Element>],
    file: PresenceFile,
) -> Result<Presence, DialectError> {
    let table = Table { dialect, elements };
    let key = |what: &str| format!("presence.{what}");
    let mut mtis = Vec::new();
    for text in file.mti.into_vec() {
        let mti = text.parse::<Mti>().map_err(|_| unknown(dialect, key("mti"), &text, "four digits"))?;
        mtis.push(mti);
    }
    let mut needs = BTreeMap::new();
    let lists = [
        ("optional", Need::Optional, file.optional),
        ("conditional", Need::Conditional, file.conditional),
        ("mandatory", Need::Mandatory, file.mandatory),
        ("forbidden", Need::Forbidden, file.forbidden),
    ];
    for (name, need, paths) in lists {
        for path in table.paths(&key(name), paths)? {
            if needs.insert(path, need).is_some_and(|before| before != need) {
                return Err(unknown(dialect, key(name), &path.to_string(), "an element of one list only"));
            }
        }
    }
    let mut one_of = Vec::new();
    for paths in file.one_of {
        let paths = table.paths(&key("one_of"), paths)?;
        // Of nothing that the dialect has, none can be demanded.
        if !paths.is_empty() {
            one_of.push(paths.into());
        }
    }
    let mut required = Vec::new();
    for rule in file.required {
        let paths = table.paths(&key("required"), rule.mandatory)?;
        required.push(Required { when: conditions(rule.when), paths: paths.into() });
    }
    Ok(Presence {
        mtis: mtis.into(),
        needs: needs.into_iter().collect(),
        one_of: one_of.into(),
        required: required.into(),
        others: word_or(dialect, key("others"), file.others.as_deref(), Need::Optional)?,
    })
}

/// The conditions of a selector.
pub(super) fn conditions(when: BTreeMap<String, OneOrMany>) -> Box<[Condition]> {
    let condition = |(path, values): (String, OneOrMany)| Condition {
        path: path.into(),
        values: values.into_vec().into(),
    };
    when.into_iter().map(condition).collect()
}

struct Table<'a> {
    dialect: &'a str,
    elements: &'a [Option<Element>],
}

impl Table<'_> {
    fn paths(&self, key: &str, given: Vec<PathFile>) -> Result<Vec<ElementPath>, DialectError> {
        let mut paths = Vec::new();
        for path in given {
            match path {
                PathFile::Number(de) => paths.push(ElementPath::De(self.element(key, &de.to_string())?)),
                PathFile::Text(text) => self.add(key, &text, &mut paths)?,
            }
        }
        let has = |de: De| self.elements.get(usize::from(de)).is_some_and(Option::is_some);
        paths.retain(|path| path.de().is_some_and(has));
        Ok(paths)
    }

    /// `74-89`, `60.3`, `55.9F26` or a number in quotes.
    fn add(&self, key: &str, text: &str, paths: &mut Vec<ElementPath>) -> Result<(), DialectError> {
        if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (self.element(key, first)?, self.element(key, last)?);
            paths.extend((first..=last).map(ElementPath::De));
            return Ok(());
        }
        let path = match text.split_once('.') {
            None => ElementPath::De(self.element(key, text)?),
            Some((de, inner)) => {
                let de = self.element(key, de)?;
                let element = self.elements.get(usize::from(de)).and_then(Option::as_ref);
                let is_tlv =
                    element.is_some_and(|element| *element.composition() == super::Composition::BerTlv);
                match is_tlv {
                    true => u32::from_str_radix(inner, 16).ok().map(|tag| ElementPath::Tag(de, tag)),
                    false => inner.parse().ok().map(|number| ElementPath::Subfield(de, number)),
                }
                .ok_or_else(|| self.bad(key, text))?
            }
        };
        paths.push(path);
        Ok(())
    }

    fn element(&self, key: &str, text: &str) -> Result<De, DialectError> {
        let de = text.trim().parse::<De>().ok().filter(|de| (2..=crate::DE_MAX).contains(de));
        de.ok_or_else(|| self.bad(key, text))
    }

    fn bad(&self, key: &str, text: &str) -> DialectError {
        unknown(self.dialect, key, text, "an element, a range as in 74-89, or a path as in 60.1 or 55.9F26")
    }
}
