//! Finds records by what is in them: by reference, terminal, card, merchant, account, whatever an [`Extract`] names.
//!
//! The log does not know what a record means; the extractor, which a room above supplies, does. For the segment
//! that is written to, the index is in memory; for every sealed segment there is one immutable sorted map in a file
//! beside it ([`fst`]), built in the background. Nothing in it is a fact: a file that is missing, damaged, of another
//! version or of other records is made anew from its segment, and until then lookups read the segment itself. A
//! lookup is right at every moment; what the index adds is speed.
//!
//! A page's [`Cursor`] names a record, so that paging goes on where it was whatever happens in between.

mod build;
mod chunk;
mod error;
mod fetch;
mod follow;
mod hot;
mod key;
pub mod limits;
#[doc(hidden)]
pub mod measure;
mod query;
mod sealed;
mod view;
mod watch;
mod work;

pub(crate) use sealed::copy;

pub use build::Built;
pub use error::{Doubt, IndexError};
pub use fetch::Fetch;
pub use follow::{Durable, Indexer};
pub use key::{Extract, Key, Keys, Unreadable};
pub use query::{Cursor, Order, Page, Query};
pub use view::Index;
pub use watch::{Event, Watch};
