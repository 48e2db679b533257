//! Stores that could have held the log, each made as durable as its documentation allows, and each given the best
//! that several writers can have: one thread that commits whatever has queued since its last commit.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use redb::{ReadableDatabase as _, ReadableTableMetadata as _, TableDefinition};
use switchyard_ledger::block::image_bytes;

/// Bytes of a record.
pub const RECORD_BYTES: usize = 256;
/// A record.
pub type Record = [u8; RECORD_BYTES];
/// Why a store failed; a measurement stops at it.
pub type Failed = Box<dyn Error + Send + Sync>;

/// Length prefix that our blocks put before a record: the plain loop writes as many bytes.
const PREFIX_BYTES: usize = 4;
/// The plain file is written over from its start when it is full: its blocks are allocated and written either way.
const PLAIN_BYTES: u64 = 256 << 20;

/// Something that makes records durable.
pub trait Store: Send {
    /// Returns when all of these are as durable as the store makes anything.
    ///
    /// # Errors
    /// What the store says.
    fn commit(&mut self, records: &[Record]) -> Result<(), Failed>;

    /// How many records it holds; `None` where it keeps no count.
    ///
    /// # Errors
    /// What the store says.
    fn count(&self) -> Result<Option<u64>, Failed>;
}

/// A store to measure.
#[derive(Clone, Copy)]
pub struct Peer {
    /// Its name.
    pub name: &'static str,
    /// What an acknowledged commit rests on.
    pub setting: &'static str,
    /// Makes a new one in a directory that is there and empty.
    pub open: fn(&Path) -> Result<Box<dyn Store>, Failed>,
}

/// The disk's own ceiling first.
pub const PEERS: [Peer; 4] = [
    Peer {
        name: "plain file",
        setting: "pre-zeroed, one write and one fdatasync a group",
        open: Plain::open,
    },
    Peer {
        name: "fjall",
        setting: "write batch, PersistMode::SyncData (fdatasync of its journal)",
        open: Fjall::open,
    },
    Peer { name: "redb", setting: "Durability::Immediate (fdatasync)", open: Redb::open },
    Peer {
        name: "sled",
        setting: "NOT durable: flush() is sync_file_range, which a power cut may lose",
        open: Sled::open,
    },
];

struct Plain {
    file: File,
    image: Vec<u8>,
    at: u64,
}

impl Plain {
    fn open(dir: &Path) -> Result<Box<dyn Store>, Failed> {
        let file = OpenOptions::new().write(true).create_new(true).open(dir.join("plain"))?;
        let zeros = vec![0; 8 << 20];
        for at in (0..PLAIN_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, at)?;
        }
        file.sync_all()?;
        Ok(Box::new(Self { file, image: Vec::new(), at: 0 }))
    }
}

impl Store for Plain {
    fn commit(&mut self, records: &[Record]) -> Result<(), Failed> {
        self.image.clear();
        records.iter().for_each(|record| self.image.extend_from_slice(record));
        self.image.resize(image_bytes(records.len() * (RECORD_BYTES + PREFIX_BYTES)), 0);
        if self.at + self.image.len() as u64 > PLAIN_BYTES {
            self.at = 0;
        }
        self.file.write_all_at(&self.image, self.at)?;
        self.file.sync_data()?;
        self.at += self.image.len() as u64;
        Ok(())
    }
    fn count(&self) -> Result<Option<u64>, Failed> {
        Ok(None)
    }
}

struct Fjall {
    database: Database,
    keyspace: Keyspace,
    next: u64,
}

impl Fjall {
    fn open(dir: &Path) -> Result<Box<dyn Store>, Failed> {
        let database = Database::builder(dir.join("fjall")).open()?;
        let keyspace = database.keyspace("log", KeyspaceCreateOptions::default)?;
        Ok(Box::new(Self { database, keyspace, next: 0 }))
    }
}

impl Store for Fjall {
    fn commit(&mut self, records: &[Record]) -> Result<(), Failed> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for record in records {
            batch.insert(&self.keyspace, self.next.to_be_bytes(), record.as_slice());
            self.next += 1;
        }
        Ok(batch.commit()?)
    }
    fn count(&self) -> Result<Option<u64>, Failed> {
        Ok(Some(self.keyspace.len()? as u64))
    }
}

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");

struct Redb {
    database: redb::Database,
    next: u64,
}

impl Redb {
    fn open(dir: &Path) -> Result<Box<dyn Store>, Failed> {
        Ok(Box::new(Self { database: redb::Database::create(dir.join("redb"))?, next: 0 }))
    }
}

impl Store for Redb {
    fn commit(&mut self, records: &[Record]) -> Result<(), Failed> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(redb::Durability::Immediate)?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for record in records {
                table.insert(self.next, record.as_slice())?;
                self.next += 1;
            }
        }
        Ok(transaction.commit()?)
    }
    fn count(&self) -> Result<Option<u64>, Failed> {
        Ok(Some(self.database.begin_read()?.open_table(TABLE)?.len()?))
    }
}

struct Sled {
    database: sled::Db,
    next: u64,
}

impl Sled {
    fn open(dir: &Path) -> Result<Box<dyn Store>, Failed> {
        // No flushes by a timer: each commit asks for its own.
        let database = sled::Config::new().path(dir.join("sled")).flush_every_ms(None).open()?;
        Ok(Box::new(Self { database, next: 0 }))
    }
}

impl Store for Sled {
    fn commit(&mut self, records: &[Record]) -> Result<(), Failed> {
        let mut batch = sled::Batch::default();
        for record in records {
            batch.insert(&self.next.to_be_bytes(), record.as_slice());
            self.next += 1;
        }
        self.database.apply_batch(batch)?;
        self.database.flush()?;
        Ok(())
    }
    fn count(&self) -> Result<Option<u64>, Failed> {
        Ok(Some(self.database.len() as u64))
    }
}
