//! Dialects from the tables of other implementations: jPOS packagers and moov-io specifications.
//!
//! The result is the TOML of a dialect, to read, keep and edit. Whatever an importer does not know is an error
//! that names all of it; what it knows and cannot express is a [`Warning`].

mod draft;
mod jpos;
mod jpos_class;
mod jpos_inside;
mod moov;
mod moov_inside;

use crate::error::DialectError;
use draft::{Draft, ElementDraft, Inside, LENGTH_MAX, Size, digits_class};

pub use jpos::jpos_xml;
pub use moov::moov_json;

/// Something in the source that the dialect does not say in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The field: `field 48`, `header`.
    pub place: String,
    /// What is different, and what was done.
    pub what: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// A file that is not imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Not XML.
    #[error("not XML at byte {offset}: {what}")]
    Xml {
        /// Offset in the file.
        offset: u64,
        /// What the XML reader says.
        what: String,
    },
    /// Not JSON.
    #[error("not JSON")]
    Json(#[source] serde_json::Error),
    /// An entity is declared or used: nothing is fetched or expanded.
    #[error("entities are not read: {name}")]
    Entity {
        /// Its name, or the start of its declaration.
        name: String,
    },
    /// The file has another shape than a specification.
    #[error("{place}: expected {expected}")]
    Shape {
        /// Where.
        place: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// Classes or keys that the importer does not know, or that a dialect cannot express: all of them.
    #[error("cannot be imported: {}", names.join(", "))]
    Unknown {
        /// Each with its place: `field 7: class com.example.Odd`.
        names: Vec<String>,
    },
    /// What was read does not make a dialect.
    #[error("what was read is not a dialect")]
    Dialect(#[source] Box<DialectError>),
}
