//! Where clients and their rows come from: a file each, a column that names them, rows that are dealt out, or generated ones.
//!
//! SOURCE-1: every row that is kept belongs to one client, and every client keeps a row to train on, whatever is held out.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use syncline_data::{
    Carried, Dataset, Dense, Features, Fitted, Input, ReadOptions, Schema, Targets, permutation,
};
use syncline_learn::ModelSpec;

use crate::error::{between, refuse_if, within};
use crate::synthetic::{self, CLASSES, FEATURES, Unlike};
use crate::{Deal, Error, Result, deal_labels};

/// Clients where nobody says how many.
const USUAL_CLIENTS: usize = 20;
/// Devices of FedProx' synthetic set. (Li et al., arXiv 1812.06127.)
const DEVICES: usize = 30;
/// Rows, columns and classes of the generated set that is dealt out.
const SEPARABLE: (usize, usize, usize) = (20_000, 32, 10);

/// Who the clients are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientsBy {
    /// So many, to whom the rows are dealt out.
    Dealt(usize),
    /// Each file is one.
    Files,
    /// A column, by name or number, says whose a row is; it is no feature.
    Column(String),
}

impl ClientsBy {
    /// The names a user can give.
    pub const VALID: &'static str = "a number (such as 20), files (each file is a client) and column:NAME";
}

impl FromStr for ClientsBy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown =
            || Error::Unknown { what: "clients", got: text.to_owned(), valid: Self::VALID.to_owned() };
        match text.split_once(':') {
            None if text == "files" => Ok(Self::Files),
            None => {
                let count = text.parse().map_err(|_| unknown())?;
                within("the number of clients", count, 1, 1 << 20)?;
                Ok(Self::Dealt(count))
            }
            Some(("column", name)) if !name.is_empty() => Ok(Self::Column(name.to_owned())),
            Some(_) => Err(unknown()),
        }
    }
}

impl fmt::Display for ClientsBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dealt(count) => write!(f, "{count}"),
            Self::Files => f.write_str("files"),
            Self::Column(name) => write!(f, "column:{name}"),
        }
    }
}

/// A set of rows that is made by the seed.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Generated {
    /// Ten classes that hyperplanes separate, to be dealt out.
    #[default]
    Separable,
    /// The thirty devices of FedProx' synthetic set, each with rows of its own.
    Devices(Unlike),
}

impl Generated {
    /// The names a user can give.
    pub const VALID: &'static str = "separable, fedprox:iid and fedprox:ALPHA,BETA (such as fedprox:1,1)";
}

impl FromStr for Generated {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown =
            || Error::Unknown { what: "generated set", got: text.to_owned(), valid: Self::VALID.to_owned() };
        let number = |text: &str| text.parse::<f64>().map_err(|_| unknown());
        match text.strip_prefix("fedprox:") {
            None if text == "separable" => Ok(Self::Separable),
            None => Err(unknown()),
            Some("iid") => Ok(Self::Devices(Unlike::Iid)),
            Some(numbers) => {
                let (alpha, beta) = numbers.split_once(',').ok_or_else(unknown)?;
                let (alpha, beta) = (number(alpha)?, number(beta)?);
                between("alpha", alpha, 0.0, 1e6)?;
                between("beta", beta, 0.0, 1e6)?;
                Ok(Self::Devices(Unlike::By { alpha, beta }))
            }
        }
    }
}

impl fmt::Display for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Separable => f.write_str("separable"),
            Self::Devices(Unlike::Iid) => f.write_str("fedprox:iid"),
            Self::Devices(Unlike::By { alpha, beta }) => write!(f, "fedprox:{alpha},{beta}"),
        }
    }
}

/// What is kept from training.
#[derive(Clone, Debug)]
pub enum HeldOut {
    /// This share: of the rows before they are dealt out, or of each client's own.
    Share(f64),
    /// The rows of a file.
    File(Input),
}

/// Where clients and their rows come from.
#[derive(Clone, Debug)]
pub struct Source {
    /// Files; without any, rows are generated.
    pub inputs: Vec<Input>,
    /// How to read them.
    pub options: ReadOptions,
    /// What is generated without files.
    pub generated: Option<Generated>,
    /// Who the clients are: twenty, to whom rows are dealt out, or the generated devices.
    pub clients: Option<ClientsBy>,
    /// How rows are dealt out.
    pub deal: Option<Deal>,
    /// What is held out.
    pub held_out: HeldOut,
    /// Of all that is left to chance.
    pub seed: u64,
}

/// Clients with their rows.
#[derive(Clone, Debug)]
pub struct Clients {
    /// How columns became features.
    pub schema: Schema,
    /// All rows to train on.
    pub data: Dataset,
    /// Which of them each client has.
    pub rows: Vec<Vec<u32>>,
    /// The clients' names; nothing where they have none of their own.
    pub names: Option<Vec<String>>,
    /// Rows that nobody trains on.
    pub validation: Option<Dataset>,
    /// What was found out, in sentences.
    pub notes: Vec<String>,
}

impl Source {
    /// Reads or makes the rows, and says whose they are.
    ///
    /// # Errors
    /// When settings contradict each other, files cannot be read, or rows cannot be dealt out so.
    pub fn open(&self) -> Result<Clients> {
        self.check()?;
        if self.inputs.is_empty() {
            return self.generate();
        }
        let clients = self.clients.clone().unwrap_or(ClientsBy::Dealt(USUAL_CLIENTS));
        let (mut options, mut id) = (self.options.clone(), None);
        if let ClientsBy::Column(name) = &clients {
            // The only columns to take leave it out already.
            if options.columns.is_empty() {
                options.drop.push(name.clone());
            }
            id = Some(name.as_str());
        }
        let (Fitted { schema, data, mut notes }, carried) =
            Schema::fit_carrying(&self.inputs, &options, id).map_err(data_error)?;
        let owners = match clients {
            ClientsBy::Dealt(count) => return self.deal(schema, data, count, notes),
            ClientsBy::Files => self.by_file(&carried)?,
            ClientsBy::Column(_) => by_name(&carried, &mut notes)?,
        };
        self.apart(schema, data, owners, notes)
    }

    fn check(&self) -> Result<()> {
        if let HeldOut::Share(share) = self.held_out
            && !(0.0..1.0).contains(&share)
        {
            let must = "at least 0 and less than 1".to_owned();
            return Err(Error::OutOfRange { what: "the share held out", got: share.to_string(), must });
        }
        let has_files = !self.inputs.is_empty();
        refuse_if(has_files && self.generated.is_some(), "rows come from files or are generated, not both")?;
        let are_devices = matches!(self.generated, Some(Generated::Devices(_)));
        refuse_if(
            are_devices && (self.clients.is_some() || self.deal.is_some()),
            "the devices of fedprox' set come with rows of their own: leave out clients and deal",
        )?;
        let are_named = matches!(self.clients, Some(ClientsBy::Files | ClientsBy::Column(_)));
        refuse_if(
            are_named && !has_files,
            "generated rows have no files or columns to tell clients by: give a number",
        )?;
        refuse_if(
            are_named && self.deal.is_some(),
            "rows are not dealt out where files or a column say whose they are: leave the deal out",
        )?;
        refuse_if(
            !has_files && matches!(self.held_out, HeldOut::File(_)),
            "generated rows are held out by a share, not by a file",
        )
    }

    fn generate(&self) -> Result<Clients> {
        match self.generated.unwrap_or_default() {
            Generated::Separable => {
                let (rows, columns, classes) = SEPARABLE;
                let data = syncline_data::synthetic::separable(rows, columns, classes, self.seed);
                let count = match self.clients {
                    Some(ClientsBy::Dealt(count)) => count,
                    _ => USUAL_CLIENTS,
                };
                self.deal(Schema::of(&data), data, count, Vec::new())
            }
            Generated::Devices(unlike) => {
                let (data, rows) = devices(unlike, self.seed)?;
                self.apart(Schema::of(&data), data, Owners { rows, names: None }, Vec::new())
            }
        }
    }

    /// Holds rows out, brings the rest to scale and deals it out.
    fn deal(&self, schema: Schema, data: Dataset, count: usize, mut notes: Vec<String>) -> Result<Clients> {
        let (data, validation) = match &self.held_out {
            HeldOut::Share(0.0) => (data, None),
            HeldOut::Share(share) => {
                let (train, held_out) = data.split(*share, self.seed).map_err(data_error)?;
                (train, Some(held_out))
            }
            HeldOut::File(file) => (data, Some(self.read(&schema, file, &mut notes)?)),
        };
        let rows = self.deal.unwrap_or_default().rows(&deal_labels(&data), count, self.seed)?;
        self.scaled(schema, data, Owners { rows, names: None }, validation, notes)
    }

    /// Holds rows of each client out and brings the rest to scale.
    fn apart(
        &self,
        schema: Schema,
        data: Dataset,
        mut owners: Owners,
        mut notes: Vec<String>,
    ) -> Result<Clients> {
        let (share, file) = match &self.held_out {
            HeldOut::Share(share) => (*share, None),
            HeldOut::File(file) => (0.0, Some(self.read(&schema, file, &mut notes)?)),
        };
        let mut aside = Vec::new();
        for (client, rows) in owners.rows.iter_mut().enumerate() {
            let order =
                permutation(rows.len(), self.seed ^ (client as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let count = ((rows.len() as f64 * share).round() as usize).min(rows.len() - 1);
            aside.extend(order[..count].iter().map(|at| rows[*at] as usize));
            *rows = order[count..].iter().map(|at| rows[*at]).collect();
        }
        let kept: Vec<usize> = owners.rows.iter().flatten().map(|row| *row as usize).collect();
        let mut next = 0;
        // Kept rows stand client by client.
        owners.rows.iter_mut().flatten().for_each(|row| (*row, next) = (next, next + 1));
        if share > 0.0 && aside.is_empty() {
            notes.push("no client has rows to spare: none is held out".to_owned());
        }
        let validation = if aside.is_empty() { file } else { Some(part(&data, &aside)?) };
        self.scaled(schema, part(&data, &kept)?, owners, validation, notes)
    }

    fn scaled(
        &self,
        mut schema: Schema,
        data: Dataset,
        owners: Owners,
        validation: Option<Dataset>,
        mut notes: Vec<String>,
    ) -> Result<Clients> {
        let is_raw = self.inputs.is_empty() || self.options.raw;
        let (data, validation) =
            if is_raw { (data, validation) } else { schema.rescale(data, validation).map_err(data_error)? };
        if !is_raw && owners.names.is_some() {
            notes.push(
                "numbers were brought to one scale over all clients, which these would have to agree on"
                    .to_owned(),
            );
        }
        Ok(Clients { schema, data, rows: owners.rows, names: owners.names, validation, notes })
    }

    fn read(&self, schema: &Schema, file: &Input, notes: &mut Vec<String>) -> Result<Dataset> {
        let (data, further) =
            schema.read(std::slice::from_ref(file), self.options.layout).map_err(data_error)?;
        notes.extend(further);
        Ok(data)
    }

    fn by_file(&self, carried: &Carried) -> Result<Owners> {
        let (mut rows, mut names, mut next) = (Vec::new(), Vec::new(), 0u32);
        for (input, count) in self.inputs.iter().zip(&carried.rows_of_files) {
            if *count == 0 {
                let path = input.path().display();
                return Err(Error::Data(format!("{path} has no row to train on: leave this client out")));
            }
            let end = next + *count as u32;
            rows.push((next..end).collect());
            names.push(input.path().display().to_string());
            next = end;
        }
        Ok(Owners { rows, names: Some(short(names)) })
    }
}

/// Whose the rows are.
struct Owners {
    rows: Vec<Vec<u32>>,
    names: Option<Vec<String>>,
}

/// Clients by what a column says, in the order in which they first occur; rows without a name are left out.
fn by_name(carried: &Carried, notes: &mut Vec<String>) -> Result<Owners> {
    let (mut rows, mut names): (Vec<Vec<u32>>, Vec<String>) = (Vec::new(), Vec::new());
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut nameless = 0u64;
    for (row, name) in carried.ids.iter().enumerate() {
        let name = name.trim();
        if name.is_empty() {
            nameless += 1;
            continue;
        }
        let place = *places.entry(name).or_insert_with(|| {
            names.push(name.to_owned());
            rows.push(Vec::new());
            rows.len() - 1
        });
        rows[place].push(row as u32);
    }
    if rows.is_empty() {
        return Err(Error::Data(
            "the column that names clients is empty in every row: take another".to_owned(),
        ));
    }
    if nameless > 0 {
        let noun = if nameless == 1 { "row" } else { "rows" };
        notes.push(format!("{nameless} {noun} without a client left out"));
    }
    Ok(Owners { rows, names: Some(names) })
}

/// File names without the folders and the endings that all have.
fn short(names: Vec<String>) -> Vec<String> {
    let file = |name: &String| name.rsplit('/').next().unwrap_or(name).split('.').next().map(str::to_owned);
    let stems: Vec<String> = names.iter().filter_map(file).collect();
    let distinct: std::collections::BTreeSet<&String> = stems.iter().collect();
    let is_clear = distinct.len() == names.len() && !distinct.contains(&String::new());
    if is_clear { stems } else { names }
}

/// Some rows, their weights around 1 again.
fn part(data: &Dataset, rows: &[usize]) -> Result<Dataset> {
    let part = data.select(rows);
    if part.weights().is_none() {
        return Ok(part);
    }
    part.weighted(vec![1.0; rows.len()]).map_err(data_error)
}

/// FedProx' devices as one table, and the rows of each.
///
/// # Errors
/// When alpha or beta is negative.
pub fn devices(unlike: Unlike, seed: u64) -> Result<(Dataset, Vec<Vec<u32>>)> {
    let (mut features, mut labels, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for device in synthetic::devices(DEVICES, unlike, seed)? {
        let start = labels.len() as u32;
        labels.extend(device.labels.iter().map(|label| u32::from(*label)));
        features.extend(device.features);
        rows.push((start..labels.len() as u32).collect());
    }
    let names = (0..CLASSES).map(|class| class.to_string()).collect();
    let dense = Dense::new(features, FEATURES).map_err(data_error)?;
    let data = Dataset::new(Features::Dense(dense), Targets::Class { labels, names }).map_err(data_error)?;
    Ok((data, rows))
}

/// A model for data when the user names none: the plain one, whose loss has one minimum, so that what clients do to each
/// other is seen and not what a start does.
pub fn suitable(data: &Dataset) -> ModelSpec {
    match data.targets() {
        Targets::Class { .. } => ModelSpec::Softmax,
        Targets::Real(_) => ModelSpec::Linear,
    }
}

fn data_error(error: syncline_data::Error) -> Error {
    Error::Data(error.to_string())
}
