//! The rows of one projection while records are applied: what is there, under what has changed.

use super::Trouble;
use super::position::Sum;
use super::table::{Changes, Table};

/// Reads and changes the rows of a projection.
#[derive(Debug)]
pub struct Tree<'a> {
    pub(crate) table: &'a Table,
    pub(crate) changes: &'a mut Changes,
    pub(crate) sum: &'a mut Sum,
    /// First byte of every key of the projection.
    pub(crate) prefix: u8,
}

impl Tree<'_> {
    /// The row under a key.
    ///
    /// # Errors
    /// [`Trouble`] when the database fails.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        self.find(&self.full(key))
    }

    /// Puts a row under a key in the place of the one before.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn put(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), Trouble> {
        let key = self.full(key);
        if let Some(before) = self.find(&key)? {
            self.sum.remove(&key, &before);
        }
        self.sum.add(&key, &value);
        self.changes.insert(key, Some(value));
        Ok(())
    }

    /// Takes the row under a key away, if there is one.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn remove(&mut self, key: &[u8]) -> Result<(), Trouble> {
        let key = self.full(key);
        if let Some(before) = self.find(&key)? {
            self.sum.remove(&key, &before);
            self.changes.insert(key, None);
        }
        Ok(())
    }

    fn full(&self, key: &[u8]) -> Vec<u8> {
        let mut full = Vec::with_capacity(key.len() + 1);
        full.push(self.prefix);
        full.extend_from_slice(key);
        full
    }

    fn find(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        match self.changes.get(key) {
            Some(changed) => Ok(changed.clone()),
            None => self.table.get(key),
        }
    }
}
