//! Postings in columns: Apache Parquet, compressed by Snappy, in groups of rows that bound the memory.

use super::Row;
use anyhow::Result;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use std::io::Write;
use std::sync::Arc;

/// The columns, in their order. Amounts are minor units of the currency that both accounts name.
const SCHEMA: &str = "message posting {
    required int64 sequence (INTEGER(64,false));
    required int64 at (TIMESTAMP(MICROS,true));
    required binary actor (UTF8);
    required binary record (UTF8);
    required binary debit (UTF8);
    required binary credit (UTF8);
    required int64 amount_minor (INTEGER(64,false));
    required binary phase (UTF8);
}";

/// Rows that are kept in memory before they are written.
const GROUP_ROWS: usize = 65_536;

/// Columns of one group.
#[derive(Default)]
struct Group {
    sequence: Vec<i64>,
    at: Vec<i64>,
    amount_minor: Vec<i64>,
    /// Actor, record, debit, credit, phase.
    texts: [Vec<ByteArray>; 5],
}

/// Writes a file.
pub(super) struct Writer<W: Write + Send> {
    file: SerializedFileWriter<W>,
    group: Group,
}

impl<W: Write + Send> Writer<W> {
    pub(super) fn start(out: W) -> Result<Self> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        let properties =
            properties.set_created_by(concat!("switchyard ", env!("CARGO_PKG_VERSION")).to_owned());
        let file = SerializedFileWriter::new(out, schema, Arc::new(properties.build()))?;
        Ok(Self { file, group: Group::default() })
    }

    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<()> {
        let group = &mut self.group;
        // The bits of an unsigned number: the schema says that it is one.
        group.sequence.push(row.sequence.cast_signed());
        group.at.push(row.at_micros.cast_signed());
        group.amount_minor.push(row.posting.amount_minor.cast_signed());
        let posting = row.posting;
        let texts = [
            row.actor.clone(),
            row.record.clone(),
            posting.debit.to_string(),
            posting.credit.to_string(),
            format!("{:?}", posting.phase),
        ];
        for (column, text) in group.texts.iter_mut().zip(texts) {
            column.push(ByteArray::from(text.into_bytes()));
        }
        if group.sequence.len() == GROUP_ROWS { self.write() } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> Result<()> {
        if !self.group.sequence.is_empty() {
            self.write()?;
        }
        self.file.close()?;
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        let Group { sequence, at, amount_minor, texts } = std::mem::take(&mut self.group);
        let [actor, record, debit, credit, phase] = texts;
        let mut group = self.file.next_row_group()?;
        numbers(&mut group, &sequence)?;
        numbers(&mut group, &at)?;
        for column in [actor, record, debit, credit] {
            strings(&mut group, &column)?;
        }
        numbers(&mut group, &amount_minor)?;
        strings(&mut group, &phase)?;
        group.close()?;
        Ok(())
    }
}

fn numbers<W: Write + Send>(group: &mut SerializedRowGroupWriter<'_, W>, values: &[i64]) -> Result<()> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<Int64Type>().write_batch(values, None, None)?;
        column.close()?;
    }
    Ok(())
}

fn strings<W: Write + Send>(group: &mut SerializedRowGroupWriter<'_, W>, values: &[ByteArray]) -> Result<()> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<ByteArrayType>().write_batch(values, None, None)?;
        column.close()?;
    }
    Ok(())
}
