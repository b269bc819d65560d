//! `syncline queue shuffle`: whether a coded shuffle pays, at what reaching several workers at once is worth.

use serde::Serialize;
use syncline_coded::shuffle::{Cost, Multicast};
use syncline_terminal::unit;

use crate::{
    failure::Failure,
    output::{page, print, print_json},
};

/// Tell whether a coded shuffle pays: other rows for every worker, of which it holds some already
///
/// A coded packet is of use to several workers, so it saves sends where one send reaches them all. Over a connection to each
/// it is sent to each, and coding loses. --multicast says by how much one send to so many workers is cheaper than one to each, as
/// measured on the network in question.
///
/// Examples:
///   syncline queue shuffle --workers 8 --rows 8000 --held 0.5
///   syncline queue shuffle --workers 8 --rows 8000 --held 0.5 --multicast 2:1.99,4:4.02,8:8.01
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Workers, 2 to 16
    #[arg(long, value_name = "N")]
    workers: usize,
    /// Rows of the whole table
    #[arg(long, value_name = "Q")]
    rows: usize,
    /// Share of the rows of others that a worker holds, 0 to 1
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    held: f64,
    /// Cost of a send to each of so many workers, over that of one send to all of them: as measured
    #[arg(long, value_name = "RECEIVERS:GAIN,..")]
    multicast: Option<Multicast>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The answer for machines. Costs are in sends of one row to one worker.
#[derive(Serialize)]
struct Output {
    workers: usize,
    uncoded_sends: f64,
    coded_packets: f64,
    coded_cost_sends: f64,
    /// How many times cheaper the code is.
    gain: f64,
    pays: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let multicast = args.multicast.clone().unwrap_or_default();
    let cost = Cost::of(args.workers, args.rows, args.held, &multicast)?;
    let output = Output {
        workers: args.workers,
        uncoded_sends: cost.uncoded,
        coded_packets: cost.packets,
        coded_cost_sends: cost.coded,
        gain: cost.gain(),
        pays: cost.gain() > 1.0,
    };
    if args.json {
        return print_json(&output);
    }
    let mut page = page();
    let way = match args.multicast {
        Some(_) => "at the gain of a multicast that was given",
        None => "over a connection to each worker, where a packet to m workers is m sends",
    };
    page.line(&format!(
        "without a code {} rows are sent, with one {} packets, which cost as much as {} rows {way}.",
        unit::amount(output.uncoded_sends),
        unit::amount(output.coded_packets),
        unit::amount(output.coded_cost_sends),
    ));
    let advice = match output.pays {
        true => format!("code: it is {} cheaper.", unit::factor(output.gain)),
        false => format!("do not code: it costs {} as much.", unit::factor(1.0 / output.gain)),
    };
    page.gap().line(&advice);
    page.remark(
        "Expected numbers: of rows in caches that are drawn at random, before half-empty packets are merged.",
    );
    print(page.text())
}
