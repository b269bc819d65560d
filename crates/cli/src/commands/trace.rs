//! `syncline trace`: explains what a log or a run file tells.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{ArgGroup, Subcommand, ValueHint};
use serde::Serialize;
use syncline_explain::{
    ExportFormat, Report, compare, explain, explain_all, export, replicate,
    report::{SyncPoint, html, sync_text, text},
    survey,
};

use crate::{
    failure::Failure,
    output::{detail, page, print, print_json, print_json_list, print_table, warn, wrote},
};

/// Explain where the time went, from a run's trace or another system's log
///
/// Reads Spark event logs (3 and 4; plain, .gz, .zst, .lz4, .lzf, .snappy, rolling folders, archives of a history server, or
/// by their address there; finished, live or cut), Chrome and PyTorch (Kineto) traces, dumps of PyTorch's flight recorder,
/// and run files of `syncline train --trace`. What a file is, its content tells.
///
/// Examples:
///   syncline trace report run.parquet
///   syncline trace report http://127.0.0.1:18080/history/app-20261121092843-0000
///   syncline trace report eventlog_v2_app-20261121092843-0000 --html report.html
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

/// What to do with the logs.
#[derive(Subcommand)]
enum Command {
    Report(ReportArgs),
    SyncPoints(SyncPointsArgs),
    Compare(CompareArgs),
    Export(ExportArgs),
    Import(ImportArgs),
    Validate(ValidateArgs),
    Survey(SurveyArgs),
    Replicate(ReplicateArgs),
}

/// Tell where the time went, what each synchronisation point costs, and why
///
/// Example:
///   syncline trace report app-20261121092843-0000.zstd --html report.html
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct ReportArgs {
    /// Logs, run files, folders of rolling logs, zip archives, or addresses at a Spark history server; Chrome traces among
    /// them are the ranks of one run
    #[arg(required = true, value_name = "LOG", value_hint = ValueHint::AnyPath)]
    logs: Vec<PathBuf>,
    /// Write the report as one page that needs nothing else
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    html: Option<PathBuf>,
    /// Print the report as JSON; of several logs as a list
    #[arg(long)]
    json: bool,
}

/// List the synchronisation points with their price and its causes
///
/// Example:
///   syncline trace sync-points run.parquet
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct SyncPointsArgs {
    /// A log, run file, or folder of a rolling log
    #[arg(value_hint = ValueHint::AnyPath)]
    log: PathBuf,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

/// Tell what got slower or faster between two runs of one program
///
/// The same stages and the same iterations are compared, by their medians; the chance that luck alone differs as much
/// is that of the Mann-Whitney test.
///
/// Example:
///   syncline trace compare yesterday.zstd today.zstd
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct CompareArgs {
    /// The first run
    #[arg(value_hint = ValueHint::AnyPath)]
    first: PathBuf,
    /// The second run
    #[arg(value_hint = ValueHint::AnyPath)]
    second: PathBuf,
    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,
}

/// Write a log's spans for another tool
///
/// Example:
///   syncline trace export run.parquet --chrome run.json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
#[command(group(ArgGroup::new("format").required(true).args(["chrome", "perfetto", "csv", "parquet"])))]
struct ExportArgs {
    /// A log, run file, or folder of a rolling log
    #[arg(value_hint = ValueHint::AnyPath)]
    log: PathBuf,
    /// As Chrome trace events, for chrome://tracing and ui.perfetto.dev
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    chrome: Option<PathBuf>,
    /// In Perfetto's own format
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    perfetto: Option<PathBuf>,
    /// As a table of spans
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    csv: Option<PathBuf>,
    /// As a run file: the same table in Parquet
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    parquet: Option<PathBuf>,
}

/// Turn another system's log into a run file (Parquet)
///
/// Example:
///   syncline trace import app-20261121092843-0000.zstd app.parquet
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct ImportArgs {
    /// A log, or folder of a rolling log
    #[arg(value_hint = ValueHint::AnyPath)]
    log: PathBuf,
    /// The run file to write
    #[arg(value_name = "FILE.parquet", value_hint = ValueHint::FilePath)]
    to: PathBuf,
}

/// Tell whether logs are sound: exit code 1 if anything of them could not be read
///
/// Example:
///   syncline trace validate app-20261121092843-0000.zstd
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct ValidateArgs {
    /// Logs, run files, or folders of rolling logs
    #[arg(required = true, value_name = "LOG", value_hint = ValueHint::AnyPath)]
    logs: Vec<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// Characterise every log of a folder in one table
///
/// Example:
///   syncline trace survey /var/log/spark-events --markdown > workloads.md
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct SurveyArgs {
    /// The folder
    #[arg(value_name = "LOGS", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
    /// Print the whole table in Markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
}

/// Make a large Spark log of a small one, for measuring readers
///
/// Example:
///   syncline trace replicate app.zstd big.json --times 1000
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct ReplicateArgs {
    /// A Spark log
    #[arg(value_hint = ValueHint::AnyPath)]
    log: PathBuf,
    /// The plain log to write
    #[arg(value_hint = ValueHint::FilePath)]
    to: PathBuf,
    /// How often its jobs are repeated
    #[arg(long, default_value_t = 10)]
    times: u64,
}

/// Runs the command.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Report(args) => report(&args),
        Command::SyncPoints(args) => sync_points(&args),
        Command::Compare(args) => compared(&args),
        Command::Export(args) => exported(&args),
        Command::Import(args) => write(&args.log, &args.to, ExportFormat::Parquet),
        Command::Validate(args) => validate(&args),
        Command::Survey(args) => surveyed(&args),
        Command::Replicate(args) => {
            replicate(&args.log, &args.to, args.times).map_err(Failure::failed)?;
            wrote(&args.to);
            Ok(())
        }
    }
}

fn report(args: &ReportArgs) -> Result<(), Failure> {
    args.logs.iter().for_each(|log| detail(&format!("reading {}", log.display())));
    let reports = explain_all(&args.logs).map_err(Failure::failed)?;
    if let Some(path) = &args.html {
        let write = fs::write(path, html(&reports));
        write
            .map_err(|error| Failure::Failed(format!("cannot write the page {}: {error}", path.display())))?;
        wrote(path);
    }
    match (&reports[..], args.json) {
        ([report], true) => print_json(report),
        (reports, true) => print_json_list("reports", reports),
        (reports, false) => {
            let mut page = page();
            reports.iter().for_each(|report| text(report, page.gap()));
            print(page.text())
        }
    }
}

fn sync_points(args: &SyncPointsArgs) -> Result<(), Failure> {
    /// What of a report `sync-points` prints.
    #[derive(Serialize)]
    struct Output<'a> {
        #[serde(serialize_with = "syncline_explain::report::whole_where_it_is")]
        wall_ms: f64,
        cores: u64,
        sync_points: &'a [SyncPoint],
    }
    let report: Report = explain(&args.log).map_err(Failure::failed)?;
    if args.json {
        let sync_points = &report.sync_points;
        return print_json(&Output { wall_ms: report.wall_ms, cores: report.cores, sync_points });
    }
    let mut page = page();
    sync_text(&report, &mut page);
    print(page.text())
}

fn compared(args: &CompareArgs) -> Result<(), Failure> {
    let first = explain(&args.first).map_err(Failure::failed)?;
    let second = explain(&args.second).map_err(Failure::failed)?;
    let comparison = compare(&first, &second);
    if args.json {
        return print_json(&comparison);
    }
    let mut page = page();
    comparison.write(&mut page);
    print(page.text())
}

fn exported(args: &ExportArgs) -> Result<(), Failure> {
    let asked = [
        (&args.chrome, ExportFormat::Chrome),
        (&args.perfetto, ExportFormat::Perfetto),
        (&args.csv, ExportFormat::Csv),
        (&args.parquet, ExportFormat::Parquet),
    ];
    match asked.into_iter().find_map(|(path, format)| path.as_ref().map(|path| (path, format))) {
        Some((path, format)) => write(&args.log, path, format),
        None => Err(Failure::Usage(
            "say what to export as: --chrome, --perfetto, --csv or --parquet FILE".to_owned(),
        )),
    }
}

fn write(log: &Path, to: &Path, format: ExportFormat) -> Result<(), Failure> {
    let damage = export(log, to, format).map_err(Failure::failed)?;
    damage.notes.iter().for_each(|note| warn(note));
    if damage.lines > 0 {
        warn(&format!("{} lines could not be read", damage.lines));
    }
    wrote(to);
    Ok(())
}

/// A log's soundness.
#[derive(Serialize)]
struct Finding {
    log: String,
    sound: bool,
    complete: bool,
    what: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
}

fn validate(args: &ValidateArgs) -> Result<(), Failure> {
    let findings: Vec<Finding> = args.logs.iter().flat_map(|log| findings(log)).collect();
    let unsound = findings.iter().filter(|finding| !finding.sound).count();
    if args.json {
        print_json_list("logs", &findings)?;
    } else {
        let mut page = page();
        for finding in &findings {
            page.line(&format!("{}: {}", finding.log, finding.what));
            finding.details.iter().for_each(|detail| _ = page.line(&format!("  {detail}")));
        }
        print(page.text())?;
    }
    if unsound > 0 {
        Err(Failure::Failed(format!("{unsound} of {} logs are not sound", findings.len())))
    } else {
        Ok(())
    }
}

/// What is found of the logs that a path leads to: one, or those of an archive.
fn findings(log: &Path) -> Vec<Finding> {
    match explain_all(&[log.to_owned()]) {
        Ok(reports) => reports.iter().map(finding).collect(),
        Err(error) => {
            let (log, what) = (log.display().to_string(), error.to_string());
            vec![Finding { log, sound: false, complete: false, what, details: Vec::new() }]
        }
    }
}

fn finding(report: &Report) -> Finding {
    let damage = &report.damage;
    let lines = damage.first.iter().map(|bad| format!("line {}: {}", bad.line, bad.why));
    let mut details: Vec<String> = lines.chain(damage.notes.iter().cloned()).collect();
    let undescribed = damage.lines - damage.first.len() as u64 + damage.more_notes;
    if undescribed > 0 {
        details.push(format!("and {undescribed} more of their kind"));
    }
    let end = match report.unfinished_jobs {
        _ if report.complete => "complete".to_owned(),
        0 => "without an end".to_owned(),
        jobs => format!("without an end, {jobs} jobs unfinished"),
    };
    let soundness = match damage.lines {
        _ if damage.is_none() => "sound".to_owned(),
        0 => "not sound".to_owned(),
        lines => format!("damaged, {lines} lines could not be read"),
    };
    let what = format!("{}, {} tasks, {end}, {soundness}", report.system, report.tasks);
    Finding { log: report.source.clone(), sound: damage.is_none(), complete: report.complete, what, details }
}

fn surveyed(args: &SurveyArgs) -> Result<(), Failure> {
    let survey = survey(&args.folder).map_err(Failure::failed)?;
    if args.json {
        return print_json(&survey);
    }
    if args.markdown {
        return print_table(&survey.markdown());
    }
    let mut page = page();
    survey.write(&mut page);
    print(page.text())
}
