//! What other world sizes, buckets and links would give data-parallel training, from the traces of its ranks.

use std::path::{Path, PathBuf};

use serde::Serialize;
use syncline_explain::read_ranks;
use syncline_explain::spark::setting;
use syncline_predict::{Error, Link, Overlap, RanksForecast, RanksProfile, RanksQuestion};
use syncline_terminal::{Column, Page, Table, unit};

use super::{Args, Told, series, three};
use crate::commands::queue::{plot, sweep};
use crate::{
    failure::Failure,
    list::numbers,
    output::{check_distinct, check_writable, page, print, print_json, wrote},
};

/// An error on the run itself from which on answers are not to be trusted.
const TRUSTED: f64 = 0.15;

/// What is asked of data-parallel ranks.
#[derive(clap::Args)]
#[command(next_help_heading = "Ranks of PyTorch's profiler")]
#[group(id = "ranks")]
pub struct Options {
    /// Numbers of ranks: a list, in which A..B stands for all from A to B [default: 1, 2, 4 ... 8 times the trace's]
    #[arg(long, value_name = "LIST")]
    world: Option<String>,
    /// Sizes of the buckets of gradients (bucket_cap_mb), such as 1m,25m [default: the trace's]
    #[arg(long, value_name = "LIST")]
    bucket: Option<String>,
    /// How many times as fast as the trace's the links are: a list such as 0.5,2,10
    #[arg(long, value_name = "LIST", value_delimiter = ',', allow_negative_numbers = true)]
    link: Vec<f64>,
    /// Latency of a message, in place of the trace's, such as 20us; with --bandwidth
    #[arg(long, value_name = "TIME", requires = "bandwidth")]
    latency: Option<String>,
    /// Bandwidth of a link in bytes a second, in place of the trace's, such as 10g; with --latency
    #[arg(long, value_name = "BYTES", requires = "latency")]
    bandwidth: Option<String>,
    /// As if the slowest rank were like the others
    #[arg(long)]
    without_slowest: bool,
    /// How communication overlaps with work: as traced, all of it (nothing waits before a step's end), or none
    #[arg(long, value_enum)]
    overlap: Option<OverlapName>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum OverlapName {
    /// Nothing waits for an exchange before the step ends
    All,
    /// Every exchange begins only where it is needed
    None,
}

impl Options {
    /// Whether any of them was given.
    pub fn is_used(&self) -> bool {
        self.world.is_some()
            || self.bucket.is_some()
            || !self.link.is_empty()
            || self.latency.is_some()
            || self.without_slowest
            || self.overlap.is_some()
    }
}

#[derive(Serialize)]
struct Answer {
    run: Own,
    predictions: Vec<Row>,
}

/// The run, how far off its replay is, and what was fitted.
#[derive(Serialize)]
struct Own {
    world: usize,
    ranks: Vec<String>,
    steps: usize,
    exchanges_per_step: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_per_step: Option<f64>,
    measured_step_s: f64,
    work_s: f64,
    check: Told<Check>,
    link: Told<Fitted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slowest: Option<Slowest>,
    notes: Vec<String>,
}

#[derive(Serialize, Clone, Copy)]
struct Check {
    predicted_step_s: f64,
    error: f64,
}

#[derive(Serialize, Clone)]
struct Fitted {
    exchanges: usize,
    latency_s: f64,
    element_s: f64,
    told_apart: bool,
}

#[derive(Serialize)]
struct Slowest {
    rank: String,
    longer_s: f64,
}

/// One prediction.
#[derive(Serialize)]
struct Row {
    world: usize,
    what: String,
    #[serde(flatten)]
    answer: Told<Values>,
}

#[derive(Serialize, Clone)]
struct Values {
    step_s: [f64; 3],
    waiting_s: f64,
    rank_steps_per_s: [f64; 3],
    efficiency: f64,
}

impl From<RanksForecast> for Values {
    fn from(forecast: RanksForecast) -> Self {
        let RanksForecast { step_s, waiting_s, rank_steps_per_s, efficiency } = forecast;
        Self { step_s: three(step_s), waiting_s, rank_steps_per_s: three(rank_steps_per_s), efficiency }
    }
}

/// Answers for the traces of one run's ranks.
pub fn run(args: &Args, paths: &[PathBuf]) -> Result<(), Failure> {
    if let Some(path) = &args.plot {
        check_writable(path)?;
        check_distinct(&[path], &paths.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    }
    let (log, damage) = read_ranks(paths).map_err(Failure::failed)?;
    let first = paths.first().map_or_else(String::new, |path| path.display().to_string());
    let profile = RanksProfile::of(&log).map_err(|error| Failure::Failed(format!("{first}: {error}")))?;
    let questions = questions(&profile, &args.ranks)?;
    let mut own = own(&profile);
    own.notes.extend(damage.notes);
    let row = |(what, question): (String, RanksQuestion)| Row {
        world: question.world,
        what,
        answer: Told::of(profile.predict(&question)),
    };
    let answer = Answer { run: own, predictions: questions.into_iter().map(row).collect() };
    if args.json { print_json(&answer) } else { print(&text(&answer)) }?;
    match &args.plot {
        Some(path) => draw(path, &first, &answer),
        None => Ok(()),
    }
}

fn draw(path: &Path, title: &str, answer: &Answer) -> Result<(), Failure> {
    let mut curves: Vec<sweep::Series> = Vec::new();
    let mut names: Vec<&str> = answer.predictions.iter().map(|row| row.what.as_str()).collect();
    names.dedup();
    for name in names {
        let rows = answer.predictions.iter().filter(|row| row.what == name);
        let points = rows.filter_map(|row| match &row.answer {
            Told::Values(values) => {
                let [low, value, high] = values.rank_steps_per_s;
                Some((row.world, syncline_predict::Interval { low, value, high }))
            }
            Told::CannotTell { .. } => None,
        });
        curves.push(series(name, points.collect()));
    }
    let measured = answer.run.world as f64 / answer.run.measured_step_s;
    let point =
        sweep::Point { rate: answer.run.world as f64, value: measured, half_width: 0.0, bounds: None };
    curves.push(sweep::Series { name: "measured".into(), kind: "measured".into(), points: vec![point] });
    plot::draw(path, title, ("ranks", "steps of a rank, all ranks together, a second"), &curves)?;
    wrote(path);
    Ok(())
}

/// Every combination that is asked about, with what is not as in the trace.
fn questions(profile: &RanksProfile, options: &Options) -> Result<Vec<(String, RanksQuestion)>, Failure> {
    let worlds = match &options.world {
        Some(list) => numbers("--world", list)?,
        None => std::iter::successors(Some(1), |world| Some(2 * world))
            .take_while(|world| *world <= 8 * profile.world)
            .chain(std::iter::once(profile.world).filter(|world| !world.is_power_of_two()))
            .collect(),
    };
    if let Some(wrong) = options.link.iter().find(|faster| !(**faster > 0.0 && **faster <= 1e9)) {
        return Err(Failure::Usage(format!("--link {wrong}: must be more than 0, and up to 1e9")));
    }
    let buckets = buckets(profile, options)?;
    let link = known_link(profile, options)?;
    let factors = if options.link.is_empty() { vec![1.0] } else { options.link.clone() };
    let mut list = Vec::new();
    for &(ref bucket_name, bucket) in &buckets {
        for &faster in &factors {
            let overlap = match options.overlap {
                None => Overlap::AsTraced,
                Some(OverlapName::All) => Overlap::All,
                Some(OverlapName::None) => Overlap::None,
            };
            let mut what: Vec<String> = bucket_name.iter().cloned().collect();
            what.extend((faster != 1.0).then(|| format!("links {}", unit::factor(faster))));
            what.extend(link.is_some().then(|| "given link".to_owned()));
            what.extend(options.without_slowest.then(|| "without the slowest".to_owned()));
            what.extend((overlap == Overlap::All).then(|| "all overlapped".to_owned()));
            what.extend((overlap == Overlap::None).then(|| "nothing overlapped".to_owned()));
            let what = if what.is_empty() { "as traced".to_owned() } else { what.join(", ") };
            for &world in &worlds {
                let question = RanksQuestion {
                    world,
                    bucket,
                    faster,
                    link: link
                        .as_ref()
                        .map(|(message_s, element_s)| Link::known(world, *message_s, *element_s)),
                    without_slowest: options.without_slowest,
                    overlap,
                };
                list.push((what.clone(), question));
            }
        }
    }
    if !options.is_used() {
        list.extend(usual(profile));
    }
    Ok(list)
}

/// What everybody asks of the run itself.
fn usual(profile: &RanksProfile) -> Vec<(String, RanksQuestion)> {
    let own = || RanksQuestion::of(profile.world);
    if profile.world < 2 {
        return Vec::new();
    }
    vec![
        ("without the slowest".to_owned(), RanksQuestion { without_slowest: true, ..own() }),
        ("all overlapped".to_owned(), RanksQuestion { overlap: Overlap::All, ..own() }),
        ("nothing overlapped".to_owned(), RanksQuestion { overlap: Overlap::None, ..own() }),
        ("links 2.00 x".to_owned(), RanksQuestion { faster: 2.0, ..own() }),
        ("links without cost".to_owned(), RanksQuestion { faster: 1e9, ..own() }),
    ]
}

type Bucket = (Option<String>, Option<f64>);

fn buckets(profile: &RanksProfile, options: &Options) -> Result<Vec<Bucket>, Failure> {
    let Some(list) = &options.bucket else { return Ok(vec![(None, None)]) };
    let each = profile.element_bytes.ok_or_else(|| {
        Failure::Failed(
            "--bucket: the trace does not say how many bytes an element has: record it with record_shapes=True".to_owned(),
        )
    })?;
    let one = |text: &str| {
        let bytes = setting::bytes(text).filter(|bytes| *bytes >= each);
        let bytes = bytes
            .ok_or_else(|| Failure::Usage(format!("--bucket {text}: write sizes such as 512k,1m,25m")))?;
        Ok((Some(format!("buckets of {}", text.trim())), Some(bytes as f64 / each as f64)))
    };
    list.split(',').map(one).collect()
}

/// Seconds of a message and of an element.
fn known_link(profile: &RanksProfile, options: &Options) -> Result<Option<(f64, f64)>, Failure> {
    let (Some(latency), Some(bandwidth)) = (&options.latency, &options.bandwidth) else { return Ok(None) };
    let message_s = setting::seconds(latency)
        .ok_or_else(|| Failure::Usage(format!("--latency {latency}: write a time such as 20us or 1ms")))?;
    let bytes = setting::bytes(bandwidth).filter(|bytes| *bytes > 0).ok_or_else(|| {
        Failure::Usage(format!("--bandwidth {bandwidth}: write bytes a second such as 100m or 10g"))
    })?;
    let each = profile.element_bytes.unwrap_or(4);
    Ok(Some((message_s, each as f64 / bytes as f64)))
}

fn own(profile: &RanksProfile) -> Own {
    let check =
        profile.check().map(|check| Check { predicted_step_s: check.predicted_s, error: check.error() });
    let link = profile.link().map(|link| Fitted {
        exchanges: link.exchanges,
        latency_s: link.latency_s,
        element_s: link.element_s,
        told_apart: link.is_told_apart,
    });
    Own {
        world: profile.world,
        ranks: profile.names.clone(),
        steps: profile.steps,
        exchanges_per_step: profile.exchanges,
        bytes_per_step: profile.element_bytes.map(|each| each as f64 * profile.elements),
        measured_step_s: profile.step_s(),
        work_s: profile.work_s(),
        check: Told::of(check),
        link: Told::of(link),
        slowest: profile
            .slowest
            .map(|(rank, longer_s)| Slowest { rank: profile.names[rank].clone(), longer_s }),
        notes: profile.notes.clone(),
    }
}

fn text(answer: &Answer) -> String {
    let mut page = page();
    tell_own(&mut page, &answer.run);
    page.heading("Other runs, each rank with a batch as in the trace");
    let mut table = Table::new([
        Column::number("ranks"),
        Column::text("what").wraps_at(12),
        Column::number("a step"),
        Column::number("waiting").dropped(2),
        Column::number("steps of ranks a second").dropped(3),
        Column::number("efficiency").dropped(1),
    ]);
    for Row { world, what, answer } in &answer.predictions {
        if let Told::Values(values) = answer {
            table.row([
                world.to_string(),
                what.clone(),
                unit::seconds_within(values.step_s),
                unit::seconds(values.waiting_s),
                unit::amount_within(values.rank_steps_per_s),
                unit::percent(values.efficiency),
            ]);
        }
    }
    if !table.is_empty() {
        page.table(&table);
    }
    for Row { world, what, answer } in &answer.predictions {
        if let Told::CannotTell { cannot_tell } = answer {
            page.bullet(&format!("{}, {what}: {cannot_tell}", unit::plural(*world as u64, "rank")));
        }
    }
    page.bullet(
        "taken for granted: other ranks have machines as those of the trace have, and links of the same kind",
    );
    page.into_text()
}

fn tell_own(page: &mut Page, own: &Own) {
    page.heading(&format!(
        "This run: {}, {}, {} of each in a step",
        unit::plural(own.world as u64, "rank"),
        unit::plural(own.steps as u64, "step"),
        unit::plural(own.exchanges_per_step as u64, "exchange")
    ));
    match &own.check {
        Told::Values(check) => {
            page.line(&format!(
                "a step takes {} measured, {} replayed: error {:+.1} %; {} of it is a rank's own work",
                unit::seconds(own.measured_step_s),
                unit::seconds(check.predicted_step_s),
                100.0 * check.error,
                unit::seconds(own.work_s)
            ));
            if check.error.abs() > TRUSTED {
                page.warning(&format!(
                    "NOT TO BE TRUSTED: the replay of the run itself is {:+.0} % off; all intervals hold that error",
                    100.0 * check.error
                ));
            }
        }
        Told::CannotTell { .. } => {
            page.line(&format!("a step takes {} measured", unit::seconds(own.measured_step_s)));
        }
    }
    page.bullet(&link_text(own));
    if let Some(Slowest { rank, longer_s }) = &own.slowest {
        page.bullet(&format!("{rank} works {} longer a step than the others do", unit::seconds(*longer_s)));
    }
    own.notes.iter().for_each(|note| {
        page.bullet(note);
    });
}

fn link_text(own: &Own) -> String {
    let size = own.bytes_per_step.map_or(String::new(), |bytes| format!(" of {} a step", unit::bytes(bytes)));
    match &own.link {
        Told::CannotTell { cannot_tell } => format!("what exchanges{size} take: {cannot_tell}"),
        Told::Values(link) if link.told_apart => format!(
            "all-reduces{size} take {} and {} a million elements, from {}",
            unit::seconds(link.latency_s),
            unit::seconds(1e6 * link.element_s),
            unit::plural(link.exchanges as u64, "exchange")
        ),
        Told::Values(link) => format!(
            "all-reduces{size} take {} a million elements, from {}; latency and bandwidth cannot be told apart, because all have about one \
             size: intervals of other world sizes hold both",
            unit::seconds(1e6 * link.element_s),
            unit::plural(link.exchanges as u64, "exchange")
        ),
    }
}

/// The reason, for a file among ranks that is none.
pub fn mixed(path: &Path) -> Failure {
    let why = Error::CannotTell {
        why: format!("{} is no trace of a rank, and only those are several files of one run", path.display()),
    };
    Failure::Usage(why.to_string())
}
