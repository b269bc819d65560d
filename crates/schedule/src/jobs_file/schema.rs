//! The forms of the files that people write, for those who write them and for their editors.

/// A file that a person writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The jobs.
    Jobs,
    /// The machines.
    Cluster,
}

impl Form {
    /// The JSON Schema (draft 2020-12). TOML has the same names.
    pub fn schema(self) -> &'static str {
        match self {
            Self::Jobs => include_str!("../../schemas/jobs.schema.json"),
            Self::Cluster => include_str!("../../schemas/cluster.schema.json"),
        }
    }

    /// A commented example in TOML that names every field. The example's jobs run on the example's machines.
    pub fn example(self) -> &'static str {
        match self {
            Self::Jobs => include_str!("../../schemas/jobs.toml"),
            Self::Cluster => include_str!("../../schemas/cluster.toml"),
        }
    }
}
