//! The registry as people read it: a projection of the ledger in sled, for the console, the portal and the command
//! line. What the switch decides by is the core's own registry, which this never touches; nothing that a terminal
//! hears depends on it.

mod ask;
mod project;
mod rows;

pub use ask::{Ask, answer};
pub use project::{NAME, RegistryProjection};
pub use rows::{CardRow, FeePlanRow, LinkRow, MerchantRow, RouteRow, TerminalRow};

use std::path::Path;

use serde::de::DeserializeOwned;
use switchyard_domain::{MerchantId, TerminalId};
use switchyard_ledger::Sequence;
use switchyard_ledger::projection::{Follower, Projection, Projector, Row, Rows, Trouble};

/// Whoever can be asked for rows: a running switch's own thread, or a projector that a command opened.
pub trait Source {
    /// The row under a key.
    ///
    /// # Errors
    /// [`Trouble`] when there are no rows to be had.
    fn row(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Trouble>;

    /// Rows whose keys begin with `start`, from behind `after` on.
    ///
    /// # Errors
    /// As [`row`](Self::row).
    fn rows(&mut self, start: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Trouble>;
}

impl Source for Rows {
    fn row(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        self.get(NAME, key)
    }
    fn rows(&mut self, start: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Trouble> {
        self.scan(NAME, start, after, limit)
    }
}

impl Source for Projector {
    fn row(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        self.get(NAME, key)
    }
    fn rows(&mut self, start: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Trouble> {
        self.scan(NAME, start, after, limit)
    }
}

/// A kind of row, and where rows of it are kept.
pub trait Kind: DeserializeOwned {
    /// First byte of the keys of its rows; the number in the registry follows, big endian.
    const PREFIX: u8;
}

/// Rows of a kind in the order of their numbers, from behind the number `after` on.
///
/// # Errors
/// [`Trouble`] when there are no rows to be had.
pub fn list<T: Kind>(source: &mut impl Source, after: Option<u32>, limit: usize) -> Result<Vec<T>, Trouble> {
    let after = after.map(|number| project::key(T::PREFIX, number));
    let rows = source.rows(&[T::PREFIX], after.as_deref(), limit)?;
    rows.iter().map(|(_, value)| decode(value)).collect()
}

/// The merchant of the newest registration under a name.
///
/// # Errors
/// As [`list`].
pub fn merchant(source: &mut impl Source, id: &MerchantId) -> Result<Option<MerchantRow>, Trouble> {
    named(source, &project::merchant_id(id))
}

/// The terminal of the newest registration under a name.
///
/// # Errors
/// As [`list`].
pub fn terminal(source: &mut impl Source, id: &TerminalId) -> Result<Option<TerminalRow>, Trouble> {
    named(source, &project::terminal_id(id))
}

fn named<T: Kind>(source: &mut impl Source, name: &[u8]) -> Result<Option<T>, Trouble> {
    let Some(number) = source.row(name)? else { return Ok(None) };
    let number = u32::from_be_bytes(number.try_into().map_err(|_| Trouble::Digest)?);
    source.row(&project::key(T::PREFIX, number))?.map(|row| decode(&row)).transpose()
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Trouble> {
    serde_json::from_slice(bytes).map_err(|_| Trouble::Digest)
}

/// Everything that the platform derives from the ledger.
fn projections() -> Vec<Box<dyn Projection>> {
    vec![Box::new(RegistryProjection)]
}

fn tell(trouble: &Trouble) {
    match trouble {
        Trouble::Locked => tracing::warn!(reason = %trouble, "there are no projections until it ends"),
        Trouble::Unavailable(_) | Trouble::Log(_) => {
            tracing::error!(error = %trouble, "there are no projections");
        }
        _ => tracing::warn!(reason = %trouble, "the projections are deleted and made anew from the ledger"),
    }
}

/// Follows a ledger in the background. The switch runs without it as well.
pub(crate) fn start(dir: &Path, ledger: &Path, durable: Sequence) -> Option<Follower> {
    let (dir, ledger) = (dir.to_path_buf(), ledger.to_path_buf());
    let open = move || Projector::open(&dir, &ledger, projections(), tell);
    Follower::start(open, tell, durable)
        .inspect_err(|error| tracing::error!(%error, "there are no projections"))
        .ok()
}

/// Opens the projections of a data directory that no switch serves, and catches up with the ledger; where the
/// database cannot be had, the ledger is read into memory. `progress` hears of the records read.
///
/// # Errors
/// [`Trouble::Log`] when the ledger cannot be read.
pub fn open(dir: &Path, ledger: &Path, mut progress: impl FnMut(u64)) -> Result<Projector, Trouble> {
    let opened = Projector::open(dir, ledger, projections(), tell);
    let caught_up = opened.and_then(|projector| catch_up(projector, &mut progress));
    match caught_up {
        Err(Trouble::Locked | Trouble::Unavailable(_)) => {
            catch_up(Projector::in_memory(ledger, projections())?, &mut progress)
        }
        other => other,
    }
}

/// Deletes the projections of a data directory that no switch serves and makes them anew.
///
/// # Errors
/// [`Trouble`]: `Locked` when somebody has them open.
pub fn rebuild(dir: &Path, ledger: &Path, mut progress: impl FnMut(u64)) -> Result<Sequence, Trouble> {
    let mut projector = Projector::open(dir, ledger, projections(), tell)?;
    projector.begin_anew();
    let mut projector = catch_up(projector, &mut progress)?;
    projector.flush()?;
    Ok(projector.reached())
}

fn catch_up(mut projector: Projector, progress: &mut impl FnMut(u64)) -> Result<Projector, Trouble> {
    loop {
        let before = projector.reached();
        projector.advance(Sequence(u64::MAX), RECORDS_PER_STEP)?;
        progress(projector.reached().0);
        if projector.reached() <= before {
            return Ok(projector);
        }
    }
}

/// Records between two looks at the progress.
const RECORDS_PER_STEP: u64 = 65_536;
