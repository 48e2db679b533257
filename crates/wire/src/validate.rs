//! Which transaction a message belongs to, and whether it carries what its type and that transaction need.

use crate::dialect::{Condition, Need, Presence};
use crate::{De, Dialect, ElementPath, Message, Transaction};

/// What is wrong with the elements of a message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The dialect's tables do not have this message type.
    #[error("mti: no table of the dialect has this message type")]
    UnknownMessageType,
    /// The dialect knows no transaction with this selector.
    #[error("mti: no transaction of the dialect has this message type and selector")]
    UnknownTransaction,
    /// A mandatory element is absent.
    #[error("{path}: mandatory here and absent")]
    Missing {
        /// The element, subfield or tag.
        path: ElementPath,
    },
    /// Of some elements, one must be there, and none is.
    #[error("{}: one of them is mandatory here and all are absent", list(paths))]
    MissingOneOf {
        /// The elements, subfields or tags.
        paths: Box<[ElementPath]>,
    },
    /// A forbidden element is there.
    #[error("{path}: forbidden here and present")]
    Forbidden {
        /// The element, subfield or tag.
        path: ElementPath,
    },
}

impl Violation {
    /// Where it is; of several elements, the first.
    pub fn path(&self) -> ElementPath {
        match self {
            Self::UnknownMessageType | Self::UnknownTransaction => ElementPath::Mti,
            Self::Missing { path } | Self::Forbidden { path } => *path,
            Self::MissingOneOf { paths } => paths.first().copied().unwrap_or(ElementPath::End),
        }
    }
}

fn list(paths: &[ElementPath]) -> String {
    let names: Vec<String> = paths.iter().map(ElementPath::to_string).collect();
    names.join(", ")
}

impl Dialect {
    /// The transaction that a request or reply belongs to, by message type and selector.
    ///
    /// A repeat belongs to the transaction of what it repeats.
    pub fn transaction_of(&self, message: &Message<'_, '_>) -> Option<&Transaction> {
        let mti = message.mti().original();
        self.transactions()
            .iter()
            .find(|known| (known.mti == mti || known.mti.reply() == mti) && hold(&known.when, message))
    }
}

fn hold(conditions: &[Condition], message: &Message<'_, '_>) -> bool {
    conditions.iter().all(|condition| {
        value_at(message, &condition.path).is_some_and(|actual| condition.values.contains(&actual))
    })
}

/// The value at a path: `3` or `60.1`.
fn value_at(message: &Message<'_, '_>, path: &str) -> Option<String> {
    if let Ok(de) = path.parse::<De>() {
        return message.text(de).map(Into::into);
    }
    Some(message.subfield(path)?.to_plain_string())
}

/// Everything that the dialect's tables find wrong with the elements of a message, in its order; empty when it is
/// complete.
///
/// A dialect without tables finds nothing to object to. Tables say what is usual: a message that they object to has
/// been read all the same.
pub fn validate(message: &Message<'_, '_>) -> Vec<Violation> {
    let dialect = message.dialect();
    let mut found = Vec::new();
    match dialect.presence_of(message.mti()) {
        Some(table) => check_table(table, message, &mut found),
        None if dialect.presence().is_empty() => {}
        None => found.push(Violation::UnknownMessageType),
    }
    match dialect.transaction_of(message) {
        Some(transaction) => {
            let needed = if message.mti().is_response() { &transaction.reply } else { &transaction.request };
            let missing = needed.iter().filter(|de| !message.has(**de)).map(|de| ElementPath::De(*de));
            found.extend(missing.map(|path| Violation::Missing { path }));
        }
        None if dialect.transactions().is_empty() || found.contains(&Violation::UnknownMessageType) => {}
        None => found.push(Violation::UnknownTransaction),
    }
    found.sort_by_cached_key(|violation| (violation.path().de(), violation.path(), violation.clone()));
    found.dedup();
    found
}

fn check_table(table: &Presence, message: &Message<'_, '_>, found: &mut Vec<Violation>) {
    let mut missing = |path: &ElementPath| {
        if !has(message, *path) {
            found.push(Violation::Missing { path: *path });
        }
    };
    let mandatory = table.needs.iter().filter(|(_, need)| *need == Need::Mandatory);
    mandatory.for_each(|(path, _)| missing(path));
    let required = table.required.iter().filter(|rule| hold(&rule.when, message));
    required.for_each(|rule| rule.paths.iter().for_each(&mut missing));
    for paths in &table.one_of {
        if !paths.iter().any(|path| has(message, *path)) {
            found.push(Violation::MissingOneOf { paths: paths.clone() });
        }
    }
    let inside = table.needs.iter().map(|(path, _)| *path).filter(|path| !matches!(path, ElementPath::De(_)));
    for path in message.elements().map(ElementPath::De).chain(inside) {
        if table.need(path) == Need::Forbidden && has(message, path) {
            found.push(Violation::Forbidden { path });
        }
    }
}

fn has(message: &Message<'_, '_>, path: ElementPath) -> bool {
    match path {
        ElementPath::De(de) => message.has(de),
        ElementPath::Subfield(de, number) => message.positional(de, usize::from(number)).is_some(),
        ElementPath::Tag(de, tag) => message.tag(de, tag).is_some(),
        ElementPath::Mti | ElementPath::Bitmap(_) | ElementPath::End => true,
    }
}
