//! The engine: opens, doubts, makes anew, catches up, reads.

use std::fmt;
use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::limits::{CHANGES_MAX, PAGE_ROWS_MAX, PROJECTIONS_MAX, RECORDS_PER_POSITION_MAX};
use super::position::{Position, Sum, schema};
use super::table::{Changes, Table};
use super::tree::Tree;
use super::{Projection, Trouble};
use crate::file::make_dirs;
use crate::store::WriterLock;
use crate::walk::Cursor;
use crate::{Error, LedgerId, Partition, Reader, Sequence};

/// First byte of the keys of the first projection; 0 is the position's.
const PREFIX_FIRST: u8 = 1;

type Told = dyn Fn(&Trouble) + Send + Sync;

/// A row: its key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Projections and their rows, up to a position of a log.
pub struct Projector {
    log: PathBuf,
    home: Home,
    projections: Vec<Box<dyn Projection>>,
    schema: u64,
    owner: (LedgerId, Partition),
    table: Option<Table>,
    reader: Reader,
    last: Option<Position>,
    changes: Changes,
    sum: Sum,
    /// Records since the position was written.
    unwritten: u64,
    told: Arc<Told>,
}

/// Where the rows live.
enum Home {
    Memory,
    /// A directory, and the lock that makes it this process's own.
    Disk {
        dir: PathBuf,
        _lock: WriterLock,
    },
}

impl fmt::Debug for Projector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projector").field("log", &self.log).field("sum", &self.sum).finish_non_exhaustive()
    }
}

impl Projector {
    /// Opens the rows in `dir`, which is this engine's alone, for the log in `log`. What is in doubt is deleted;
    /// `told` hears why. Nothing is caught up yet.
    ///
    /// # Errors
    /// `Locked`, `Log`, and `Unavailable` when the database cannot even be made anew.
    ///
    /// # Panics
    /// With more than [`PROJECTIONS_MAX`] projections.
    pub fn open(
        dir: &Path,
        log: &Path,
        projections: Vec<Box<dyn Projection>>,
        told: impl Fn(&Trouble) + Send + Sync + 'static,
    ) -> Result<Self, Trouble> {
        let locked = make_dirs(dir).and_then(|()| WriterLock::named(dir, "lock"));
        let lock = locked.map_err(|error| match error {
            Error::Locked { .. } => Trouble::Locked,
            other => Trouble::Unavailable(other.to_string()),
        })?;
        let home = Home::Disk { dir: dir.join("sled"), _lock: lock };
        let mut engine = Self::new(log, home, projections, Arc::new(told))?;
        engine.restart();
        if engine.table.is_none() {
            return Err(Trouble::Unavailable("the database cannot be made".to_owned()));
        }
        Ok(engine)
    }

    /// Rows in memory alone, for those who read once where the database cannot be had.
    ///
    /// # Errors
    /// `Log`.
    pub fn in_memory(log: &Path, projections: Vec<Box<dyn Projection>>) -> Result<Self, Trouble> {
        let mut engine = Self::new(log, Home::Memory, projections, Arc::new(|_| {}))?;
        engine.table = Some(Table::memory());
        Ok(engine)
    }

    fn new(
        log: &Path,
        home: Home,
        projections: Vec<Box<dyn Projection>>,
        told: Arc<Told>,
    ) -> Result<Self, Trouble> {
        assert!(projections.len() <= PROJECTIONS_MAX, "too many projections");
        let reader = Reader::open(log)?;
        let owner = (reader.ledger_id(), reader.partition());
        let schema = schema(projections.iter().map(|p| (p.name(), p.version())));
        Ok(Self {
            log: log.to_path_buf(),
            home,
            projections,
            schema,
            owner,
            table: None,
            reader,
            last: None,
            changes: Changes::new(),
            sum: Sum::default(),
            unwritten: 0,
            told,
        })
    }

    /// The sequence after the last record that the rows know.
    pub fn reached(&self) -> Sequence {
        self.reader.next_seq()
    }

    /// Opens what is there; what is in doubt is deleted and begun anew.
    fn restart(&mut self) {
        match self.take_up() {
            Ok(()) => {}
            Err(trouble) => {
                (self.told)(&trouble);
                self.begin_anew();
            }
        }
    }

    /// Believes what is there as far as it can be shown.
    fn take_up(&mut self) -> Result<(), Trouble> {
        let Home::Disk { dir, .. } = &self.home else { return Ok(()) };
        let table = Table::sled(dir)?;
        let position = table.position()?;
        let mut sum = Sum::default();
        table.scan(Bound::Unbounded, |key, value| {
            sum.add(key, value);
            true
        })?;
        let (sum, cursor) = match position {
            None if sum.rows == 0 => (sum, Cursor::START),
            None => return Err(Trouble::Digest),
            Some(bytes) => {
                let position = Position::decode(&bytes)?;
                if position.schema != self.schema {
                    return Err(Trouble::Version);
                }
                if position.sum != sum {
                    return Err(Trouble::Digest);
                }
                self.last = Some(position);
                (sum, position.find_in(&self.log, self.owner)?)
            }
        };
        self.sum = sum;
        self.reader = Reader::resume(&self.log, self.owner, cursor);
        self.table = Some(table);
        Ok(())
    }

    /// Deletes every row and starts from the first record. Without a database at the end of it, the engine has
    /// none until the next start.
    pub fn begin_anew(&mut self) {
        if let Some(table) = self.table.take() {
            table.close();
        }
        (self.changes, self.sum, self.last, self.unwritten) = (Changes::new(), Sum::default(), None, 0);
        self.reader = Reader::resume(&self.log, self.owner, Cursor::START);
        let made = match &self.home {
            Home::Memory => Ok(Table::memory()),
            Home::Disk { dir, .. } => remove(dir).and_then(|()| Table::sled(dir)),
        };
        match made {
            Ok(table) => self.table = Some(table),
            Err(trouble) => (self.told)(&Trouble::Unavailable(trouble.to_string())),
        }
    }

    /// Applies records up to `to`, at most `records` of them and the rest of their block. When a doubt arises,
    /// everything is begun anew, once; a second one leaves the engine without rows.
    ///
    /// # Errors
    /// `Log`, and `Unavailable` when the same doubt came back.
    pub fn advance(&mut self, to: Sequence, records: u64) -> Result<(), Trouble> {
        let end = Sequence(self.reached().0.saturating_add(records).min(to.0));
        match self.apply_to(end) {
            Err(trouble) if trouble.is_curable() => {
                (self.told)(&trouble);
                self.begin_anew();
                let end = Sequence(records.min(to.0));
                self.apply_to(end).map_err(|again| {
                    self.table = None;
                    Trouble::Unavailable(again.to_string())
                })
            }
            other => other,
        }
    }

    fn apply_to(&mut self, end: Sequence) -> Result<(), Trouble> {
        let table = self.table.as_mut().ok_or_else(|| Trouble::Unavailable("no database".to_owned()))?;
        while self.reader.next_seq() < end {
            let Some((segment, offset, block)) = self.reader.next_found()? else { break };
            for (sequence, record) in block.records() {
                for (projection, prefix) in self.projections.iter().zip(PREFIX_FIRST..) {
                    if projection.wants(record) {
                        let (changes, sum) = (&mut self.changes, &mut self.sum);
                        projection.apply(sequence, record, &mut Tree { table, changes, sum, prefix })?;
                    }
                }
            }
            let header = &block.header;
            self.unwritten += u64::from(header.count);
            self.last = Some(Position {
                schema: self.schema,
                owner: self.owner,
                segment,
                offset,
                block: header.block,
                hash: block.hash,
                next_seq: header.next_seq().0,
                sum: self.sum,
            });
            if self.changes.len() >= CHANGES_MAX || self.unwritten >= RECORDS_PER_POSITION_MAX {
                write(table, &mut self.changes, self.last.as_ref())?;
                self.unwritten = 0;
            }
        }
        // Rows can be read as soon as they are made; a position alone can wait.
        if !self.changes.is_empty() {
            write(table, &mut self.changes, self.last.as_ref())?;
            self.unwritten = 0;
        }
        Ok(())
    }

    /// Writes the position and asks sled to write what it holds, so that the next start has less to read.
    ///
    /// # Errors
    /// As the database has them; the rows are made again if they are lost.
    pub fn flush(&mut self) -> Result<(), Trouble> {
        let table = self.table.as_mut().ok_or_else(|| Trouble::Unavailable("no database".to_owned()))?;
        write(table, &mut self.changes, self.last.as_ref())?;
        self.unwritten = 0;
        table.flush()
    }

    /// The row of a projection under a key.
    ///
    /// # Errors
    /// `Unavailable`; any other trouble of the database has everything begun anew.
    pub fn get(&mut self, projection: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        let prefix = self.prefix(projection)?;
        let full = [&[prefix], key].concat();
        let found = self.table()?.get(&full);
        self.cure(found)
    }

    /// Rows of a projection whose keys begin with `start`, from behind the key `after` on, in order.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn scan(
        &mut self,
        projection: &str,
        start: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, Trouble> {
        let prefix = self.prefix(projection)?;
        let start = [&[prefix], start].concat();
        let after = after.map(|after| [&[prefix], after].concat());
        let bound = after.as_deref().map_or(Bound::Included(start.as_slice()), Bound::Excluded);
        let limit = limit.min(PAGE_ROWS_MAX);
        let mut rows = Vec::new();
        let found = self.table()?.scan(bound, |key, value| {
            let is_wanted = rows.len() < limit && key.starts_with(&start);
            if is_wanted {
                rows.push((key[1..].to_vec(), value.to_vec()));
            }
            is_wanted
        });
        self.cure(found)?;
        Ok(rows)
    }

    /// A failed read is a doubt like any other.
    fn cure<T>(&mut self, found: Result<T, Trouble>) -> Result<T, Trouble> {
        if let Err(trouble) = &found
            && trouble.is_curable()
        {
            (self.told)(trouble);
            self.begin_anew();
        }
        found
    }

    fn table(&self) -> Result<&Table, Trouble> {
        self.table.as_ref().ok_or_else(|| Trouble::Unavailable("no database".to_owned()))
    }

    fn prefix(&self, projection: &str) -> Result<u8, Trouble> {
        let place = self.projections.iter().position(|known| known.name() == projection);
        let place = place.ok_or_else(|| Trouble::Unavailable(format!("no projection {projection}")))?;
        Ok(PREFIX_FIRST + place as u8)
    }
}

impl Drop for Projector {
    fn drop(&mut self) {
        let _ = self.flush();
        if let Some(table) = self.table.take() {
            table.close();
        }
    }
}

fn write(table: &mut Table, changes: &mut Changes, last: Option<&Position>) -> Result<(), Trouble> {
    match last {
        Some(position) => table.commit(std::mem::take(changes), position.encode()),
        None => Ok(()),
    }
}

fn remove(dir: &Path) -> Result<(), Trouble> {
    let removed = if dir.is_dir() { fs::remove_dir_all(dir) } else { fs::remove_file(dir) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Trouble::Unavailable(error.to_string()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
