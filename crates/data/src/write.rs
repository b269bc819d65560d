//! Data sets as text: CSV with a header and the target last, and LIBSVM. What is written is read back bit for bit,
//! because Rust prints the shortest decimal that names the `f32`.

mod generated;

pub use generated::Writing;

use crate::{Dataset, FeaturesView, Targets};
use std::io::{self, BufWriter, Write};

/// Writes CSV with a header; sparse features are written out with their zeros.
///
/// # Errors
/// What the writer reports.
pub fn write_csv(data: &Dataset, output: impl Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(output);
    csv_head(data, &mut csv)?;
    csv_rows(data, &mut csv)?;
    csv.flush()
}

fn csv_head(data: &Dataset, csv: &mut csv::Writer<impl Write>) -> io::Result<()> {
    for column in 0..data.columns() {
        csv.write_field(match data.feature_names().get(column) {
            Some(name) => name.clone(),
            None => format!("x{}", column + 1),
        })?;
    }
    csv.write_field(if data.target_name().is_empty() { "target" } else { data.target_name() })?;
    Ok(csv.write_record(None::<&[u8]>)?)
}

fn csv_rows(data: &Dataset, csv: &mut csv::Writer<impl Write>) -> io::Result<()> {
    let mut row = vec![0.0; data.columns()];
    for i in 0..data.rows() {
        fill(&mut row, data.batch(i..i + 1).features);
        for x in &row {
            csv.write_field(x.to_string())?;
        }
        csv.write_field(target(data.targets(), i))?;
        csv.write_record(None::<&[u8]>)?;
    }
    Ok(())
}

/// Writes LIBSVM, with columns from 1; of dense features the non-zeros.
///
/// # Errors
/// What the writer reports.
pub fn write_libsvm(data: &Dataset, output: impl Write) -> io::Result<()> {
    let mut output = BufWriter::new(output);
    for i in 0..data.rows() {
        write!(output, "{}", target(data.targets(), i))?;
        match data.batch(i..i + 1).features {
            FeaturesView::Dense(dense) => {
                for (column, x) in dense.values.iter().enumerate().filter(|(_, x)| **x != 0.0) {
                    write!(output, " {}:{x}", column + 1)?;
                }
            }
            FeaturesView::Sparse(csr) => {
                for (column, x) in csr.indices().iter().zip(csr.values()) {
                    write!(output, " {}:{x}", column + 1)?;
                }
            }
        }
        writeln!(output)?;
    }
    output.flush()
}

fn fill(row: &mut [f32], features: FeaturesView<'_>) {
    match features {
        FeaturesView::Dense(dense) => row.copy_from_slice(dense.values),
        FeaturesView::Sparse(csr) => {
            row.fill(0.0);
            csr.indices().iter().zip(csr.values()).for_each(|(&column, &x)| row[column as usize] = x);
        }
    }
}

fn target(targets: &Targets, row: usize) -> String {
    match targets {
        Targets::Real(values) => values[row].to_string(),
        Targets::Class { labels, names } => names[labels[row] as usize].clone(),
    }
}
