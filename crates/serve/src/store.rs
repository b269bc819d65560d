//! The daemon's books on the disk: what it was begun with, every step, every job, and now and then where the policy stands.
//!
//! One transaction a step, and nothing is done in the world before it is on the disk. STORE-1: what is read back is some
//! prefix of the steps that were made, whole; what came after it has had no effect.

use std::path::{Path, PathBuf};

use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use syncline_schedule::{desk::Snapshot, replay::Header, sim::Entry};

use crate::{
    clock::Origin,
    error::{Error, Result},
    record::Record,
    scheduler::Changes,
};

const ABOUT: TableDefinition<&str, &[u8]> = TableDefinition::new("about");
const ENTRIES: TableDefinition<u64, &[u8]> = TableDefinition::new("entries");
const RECORDS: TableDefinition<u32, &[u8]> = TableDefinition::new("records");

/// What the books were begun with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beginning {
    /// The policy and its cluster.
    pub header: Header,
    /// Time zero.
    pub origin: Origin,
}

/// What the books hold.
pub struct Books {
    /// What they were begun with.
    pub beginning: Beginning,
    /// The latest snapshot.
    pub snapshot: Option<Snapshot>,
    /// The steps after it.
    pub entries: Vec<Entry>,
    /// All jobs.
    pub records: Vec<Record>,
}

/// The open books.
pub struct Store {
    path: PathBuf,
    database: Database,
    steps: u64,
}

impl Store {
    /// Opens the books in `folder`, or begins them there.
    ///
    /// # Errors
    /// Another daemon has them open; a folder that cannot be written.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("books.redb");
        let database = match Database::create(&path) {
            Err(DatabaseError::DatabaseAlreadyOpen) => return Err(Error::Taken(folder.into())),
            opened => opened.map_err(wrong("opening the books", &path))?,
        };
        let mut store = Self { path, database, steps: 0 };
        store.steps = store.count()?;
        Ok(store)
    }

    /// What is written; none if nothing was begun.
    ///
    /// # Errors
    /// Books that cannot be read.
    pub fn read(&self) -> Result<Option<Books>> {
        let Some(beginning) = self.about("beginning")? else { return Ok(None) };
        let snapshot: Option<(u64, Snapshot)> = self.about("snapshot")?;
        let from = snapshot.as_ref().map_or(0, |(steps, _)| *steps);
        let entries = self.entries_from(from)?;
        let records = self.records()?;
        Ok(Some(Books { beginning, snapshot: snapshot.map(|(_, snapshot)| snapshot), entries, records }))
    }

    /// Writes what the books are begun with, or where time zero lies now.
    ///
    /// # Errors
    /// A disk that is full or fails.
    pub fn begin(&mut self, beginning: &Beginning) -> Result<()> {
        self.write(|path, transaction| {
            let mut about = transaction.open_table(ABOUT).map_err(wrong("writing", path))?;
            about.insert("beginning", encode(path, beginning)?.as_slice()).map_err(wrong("writing", path))?;
            Ok(())
        })
    }

    /// Keeps one step.
    ///
    /// # Errors
    /// A disk that is full or fails; then nothing of it is kept, and it can be tried again.
    pub fn commit(&mut self, changes: &Changes, snapshot: Option<&Snapshot>) -> Result<()> {
        let steps = self.steps + u64::from(changes.entry.is_some());
        let at = self.steps;
        self.write(|path, transaction| {
            if let Some(entry) = &changes.entry {
                let mut entries = transaction.open_table(ENTRIES).map_err(wrong("writing", path))?;
                entries.insert(at, encode(path, entry)?.as_slice()).map_err(wrong("writing", path))?;
            }
            let mut records = transaction.open_table(RECORDS).map_err(wrong("writing", path))?;
            for record in &changes.records {
                records
                    .insert(record.id.0, encode(path, record)?.as_slice())
                    .map_err(wrong("writing", path))?;
            }
            if let Some(snapshot) = snapshot {
                let mut about = transaction.open_table(ABOUT).map_err(wrong("writing", path))?;
                let value = encode(path, &(steps, snapshot))?;
                about.insert("snapshot", value.as_slice()).map_err(wrong("writing", path))?;
            }
            Ok(())
        })?;
        self.steps = steps;
        Ok(())
    }

    /// Steps kept.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// After a failure of the disk the database wants to be opened anew.
    ///
    /// # Errors
    /// It still cannot be.
    pub fn reopen(self) -> Result<Self> {
        let Self { path, database, .. } = self;
        drop(database);
        Self::open(path.parent().unwrap_or(Path::new(".")))
    }

    /// All steps, in order.
    ///
    /// # Errors
    /// Books that cannot be read.
    pub fn entries_from(&self, from: u64) -> Result<Vec<Entry>> {
        let reading = wrong("reading the books", &self.path);
        let transaction = self.database.begin_read().map_err(reading)?;
        let table = match transaction.open_table(ENTRIES) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            table => table.map_err(wrong("reading the books", &self.path))?,
        };
        let rows = table.range(from..).map_err(wrong("reading the books", &self.path))?;
        rows.map(|row| self.decode(row.map_err(wrong("reading the books", &self.path))?.1.value())).collect()
    }

    fn count(&self) -> Result<u64> {
        let transaction = self.database.begin_read().map_err(wrong("reading the books", &self.path))?;
        match transaction.open_table(ENTRIES) {
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(0),
            table => {
                let table = table.map_err(wrong("reading the books", &self.path))?;
                table.len().map_err(wrong("reading the books", &self.path))
            }
        }
    }

    fn records(&self) -> Result<Vec<Record>> {
        let transaction = self.database.begin_read().map_err(wrong("reading the books", &self.path))?;
        let table = match transaction.open_table(RECORDS) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            table => table.map_err(wrong("reading the books", &self.path))?,
        };
        let rows = table.iter().map_err(wrong("reading the books", &self.path))?;
        rows.map(|row| self.decode(row.map_err(wrong("reading the books", &self.path))?.1.value())).collect()
    }

    fn about<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let transaction = self.database.begin_read().map_err(wrong("reading the books", &self.path))?;
        let table = match transaction.open_table(ABOUT) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            table => table.map_err(wrong("reading the books", &self.path))?,
        };
        let value = table.get(key).map_err(wrong("reading the books", &self.path))?;
        value.map(|value| self.decode(value.value())).transpose()
    }

    fn write(&self, fill: impl FnOnce(&Path, &redb::WriteTransaction) -> Result<()>) -> Result<()> {
        let transaction = self.database.begin_write().map_err(wrong("writing", &self.path))?;
        fill(&self.path, &transaction)?;
        transaction.commit().map_err(wrong("writing", &self.path))
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T> {
        serde_json::from_slice(bytes)
            .map_err(wrong("reading the books, which another version may have written", &self.path))
    }
}

fn encode(path: &Path, value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(wrong("writing", path))
}

fn wrong<E: std::fmt::Display>(doing: &'static str, path: &Path) -> impl Fn(E) -> Error {
    let path = path.to_owned();
    move |error| Error::Store { doing, path: path.clone(), what: error.to_string() }
}
