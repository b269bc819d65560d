//! MapReduce: mappers take files from a queue and count the words in them, reducers add up the counts of the words that are
//! theirs.
//!
//! `cargo run --example word_count -- --on processes FILE...`; without files it counts the chapters in `docs/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use syncline::prelude::*;

type Counts = BTreeMap<String, u64>;

const MAPPERS: usize = 3;
const REDUCERS: usize = 2;

/// What adds up counts.
#[service]
trait Reducer {
    async fn add(&self, counts: Counts);
    async fn total(&self) -> Counts;
}

#[derive(Default)]
struct Sums(Mutex<Counts>);

#[service]
impl Reducer for Sums {
    async fn add(&self, counts: Counts) {
        let mut total = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (word, count) in counts {
            *total.entry(word).or_default() += count;
        }
    }

    async fn total(&self) -> Counts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The words of a file, apart by the reducer that each belongs to.
fn map(path: &Path) -> std::io::Result<Vec<Counts>> {
    let mut parts = vec![Counts::new(); REDUCERS];
    let text = std::fs::read_to_string(path)?.to_lowercase();
    for word in text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
        let owner = word.bytes().map(usize::from).sum::<usize>() % REDUCERS;
        *parts[owner].entry(word.to_owned()).or_default() += 1;
    }
    Ok(parts)
}

fn files() -> Vec<PathBuf> {
    let given = std::env::args().skip(1).filter(|argument| Path::new(argument).is_file());
    let given: Vec<_> = given.map(PathBuf::from).collect();
    if !given.is_empty() {
        return given;
    }
    let chapters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let entries = std::fs::read_dir(chapters).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    files.sort();
    files
}

fn main() -> Result<(), Error> {
    enrol();
    let mut program = Program::new("word-count");
    let reducers = program.group("reducer", REDUCERS).serve(|_| Ok(Sums::default()));
    let jobs = program.queue::<PathBuf>("jobs", 4);
    let (source, to_reduce) = (jobs.clone(), reducers.clone());
    program.node("splitter", async move |ctx| {
        let jobs = source.at(&ctx);
        for file in files() {
            jobs.push(file).await?;
        }
        Ok(jobs.close().await?)
    });
    let mapped = program.group("mapper", MAPPERS).uses(&reducers).run(async move |ctx| {
        let (jobs, mut mapped) = (jobs.at(&ctx), 0);
        while let Some(file) = jobs.pop().await? {
            for (part, reducer) in map(&file)?.into_iter().zip(&to_reduce) {
                if !part.is_empty() {
                    reducer.connect(&ctx).await?.add(part).await?;
                }
            }
            mapped += 1;
        }
        Ok(mapped)
    });
    let program = program.driver(async move |ctx| {
        let files: u32 = mapped.all(&ctx).await?.iter().sum();
        let mut counts = Counts::new();
        for reducer in &reducers {
            counts.extend(reducer.connect(&ctx).await?.total().await?);
        }
        Ok((files, counts))
    });
    let (files, counts) = launch(program, Executor::from_args()?)?.wait()?;
    let mut order: Vec<_> = counts.iter().collect();
    order.sort_by_key(|(word, count)| (std::cmp::Reverse(**count), word.as_str()));
    println!("{} words in {files} files", counts.values().sum::<u64>());
    order.iter().take(5).for_each(|(word, count)| println!("{count:6} {word}"));
    Ok(())
}
