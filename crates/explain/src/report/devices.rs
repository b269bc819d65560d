//! What is told of ranks and devices: sentences of the verdict, tables of the text and of the page.

use std::fmt::Write as _;

use syncline_terminal::unit::{count, milliseconds, plural};
use syncline_terminal::{Column, Page, Table};

use super::html::{clipped, escape, legend, stack, table, time};
use super::verdict::percent;
use super::{DeviceRow, Devices, Report};

/// What a device waits for whose host takes longer to launch than its kernels take.
const LAUNCHING: &str = "waiting for operators and launches of the host";

/// Reasons why a device does not compute, in words, and what would help.
const REASONS: [(&str, &str, &str); 13] = [
    ("wait", "waiting for other ranks in a collective", ""),
    ("collective", "communicating with no work beside it", ""),
    ("point_to_point", "sending or receiving with no work beside it", ""),
    ("data_loader", "waiting for the data loader", "more workers of the loader, or prefetching, would help"),
    ("host_to_device", "copying from the host", "pinned memory and copies beside the work would help"),
    ("device_to_host", "copying to the host", ""),
    ("copy", "copying on the device", ""),
    (
        "synchronising",
        "after calls that wait for the device (synchronise, .item())",
        "fewer of them would help",
    ),
    ("allocation", "while memory is taken or given back", ""),
    ("optimizer", "in the optimiser between its kernels", "a fused or foreach optimiser would help"),
    ("launch", LAUNCHING, "graphs, fused operators or larger batches would help"),
    ("python", "in Python between operators", ""),
    ("unrecorded", "before the first or after the last event of their traces", ""),
];

/// The first sentences of the verdict.
pub(super) fn sentences(report: &Report, devices: &Devices) -> Vec<String> {
    let who = if devices.rows.iter().all(|row| row.is_device) { "devices" } else { "ranks" };
    let one = if who == "devices" { "device" } else { "rank" };
    let who = if devices.rows.len() == 1 {
        format!("The {one}")
    } else {
        format!("The {} {who}", devices.rows.len())
    };
    let share = |name: &str| report.shares.get(name).copied().unwrap_or(0.0);
    let wall = milliseconds(report.wall_ms);
    let mut reasons: Vec<(f64, &str, &str)> =
        REASONS.iter().map(|&(name, words, help)| (share(name), words, help)).collect();
    reasons.retain(|reason| reason.0 >= 0.005);
    reasons.sort_by(|a, b| b.0.total_cmp(&a.0));
    let parts: Vec<String> =
        reasons.iter().take(5).map(|(share, words, _)| format!("{} {words}", percent(*share))).collect();
    let rest = if parts.is_empty() { String::new() } else { format!("; {}", parts.join(", ")) };
    let mut found = vec![format!("{who} computed {} of {wall}{rest}.", percent(share("compute")))];
    let launching_ms = share("launch") * report.wall_ms * devices.rows.len() as f64;
    let start = first_use(devices, launching_ms).filter(|_| share("launch") >= 0.1);
    if let Some((_, words, help)) = reasons.first().filter(|reason| reason.0 >= 0.1 && !reason.2.is_empty())
        && !(start.is_some() && *words == LAUNCHING)
    {
        found.push(format!("Against the largest of these, {help}."));
    }
    found.extend(start.or_else(|| launches(devices, share("launch"))));
    found.extend(overlap(devices));
    found.extend(devices.kernels.first().filter(|kernel| kernel.count > 0).map(|kernel| {
        format!(
            "The kernel with most time is `{}`: {} of all time in kernels, {}.",
            shortened(&kernel.name),
            percent(kernel.share),
            plural(kernel.count, "time")
        )
    }));
    found.extend(devices.notes.iter().map(|note| format!("{note}.")));
    found
}

/// Where one stretch makes up most of the time that devices waited for operators, in ms, the host did something once (loading
/// a library, compiling, choosing algorithms), and neither its operators nor its launches are what is slow.
fn first_use(devices: &Devices, launching_ms: f64) -> Option<String> {
    let longest = devices.longest_launch.as_ref().filter(|longest| longest.ms > launching_ms / 2.0)?;
    Some(format!(
        "{} of the waiting for operators is one stretch of {}, {} from the start: something that is done once, such as \
         loading a library, compiling, or choosing algorithms.",
        percent(longest.ms / launching_ms),
        milliseconds(longest.ms),
        milliseconds(longest.from_ms)
    ))
}

fn launches(devices: &Devices, share: f64) -> Option<String> {
    let (all, shorter) = (devices.launched_kernels, devices.shorter_than_launch);
    (share >= 0.1 && all > 0).then(|| {
        format!(
            "{} of {all} kernels are shorter than the call that launches them.",
            percent(shorter as f64 / all as f64)
        )
    })
}

fn overlap(devices: &Devices) -> Option<String> {
    let all: f64 = devices.rows.iter().map(|row| row.communication_ms).sum();
    let hidden: f64 = devices.rows.iter().map(|row| row.communication_ms * row.overlapped).sum();
    (all > 0.0).then(|| format!("{} of the communication is hidden under work.", percent(hidden / all)))
}

/// A kernel's name without what templates add.
fn shortened(name: &str) -> String {
    let name = name.strip_prefix("void ").unwrap_or(name);
    if name.chars().count() <= 60 { name.to_owned() } else { name.chars().take(59).chain(['…']).collect() }
}

/// Rows of a table of the text.
const ROWS: usize = 16;

/// Where the other rows are.
const REST: &str = "--verbose or --json has all";

/// Writes the tables of the text.
pub(super) fn text(page: &mut Page, devices: &Devices) {
    page.heading("Devices and ranks (shares of the wall time)");
    let columns = [Column::text("who"), Column::number("computed"), Column::text("the rest").wraps_at(20)];
    let mut table = Table::new(columns).at_most(ROWS, REST);
    for row in &devices.rows {
        let rest = ordered(row).into_iter().filter(|part| part.0 != "compute").take(5);
        let rest: Vec<String> =
            rest.map(|(name, share)| format!("{} {}", name.replace('_', " "), percent(share))).collect();
        let computed = percent(row.shares.get("compute").copied().unwrap_or(0.0));
        table.row([row.name.clone(), computed, rest.join(", ")]);
    }
    page.table(&table);
    if !devices.kernels.is_empty() {
        page.heading("Kernels with most time");
        let columns = [
            Column::number("share"),
            Column::number("time"),
            Column::number("count"),
            Column::text("kernel").shrinks_to(20),
        ];
        let mut table = Table::new(columns);
        for row in &devices.kernels {
            table.row([percent(row.share), time(row.ms), count(row.count), shortened(&row.name)]);
        }
        page.table(&table);
    }
    if devices.groups.len() > 1 {
        page.heading("Process groups");
        let columns = [
            Column::text("group").shrinks_to(16),
            Column::number("ranks given"),
            Column::number("meetings"),
            Column::number("sends, receives").dropped(1),
            Column::number("time"),
        ];
        let mut table = Table::new(columns).at_most(ROWS, REST);
        for row in &devices.groups {
            let name = shortened(&row.name);
            table.row([
                name,
                count(row.ranks),
                count(row.meetings),
                count(row.point_to_point),
                time(row.communication_ms),
            ]);
        }
        page.table(&table);
    }
}

fn ordered(row: &DeviceRow) -> Vec<(&str, f64)> {
    let mut parts: Vec<(&str, f64)> =
        row.shares.iter().map(|(name, share)| (name.as_str(), *share)).collect();
    parts.retain(|part| part.1 >= 0.0005);
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    parts
}

/// The section of the page.
pub(super) fn section(devices: &Devices) -> String {
    let rank = |row: &DeviceRow| {
        let parts = ordered(row);
        let communication = if row.communication_ms > 0.0 {
            format!("{}, {} hidden", time(row.communication_ms), percent(row.overlapped))
        } else {
            String::new()
        };
        let share = |name: &str| percent(row.shares.get(name).copied().unwrap_or(0.0));
        vec![
            escape(&row.name),
            share("compute"),
            share("wait"),
            communication,
            format!("{}{}", stack(&parts, "small"), legend(&parts[..parts.len().min(4)])),
        ]
    };
    let rows: Vec<Vec<String>> = devices.rows.iter().take(64).map(rank).collect();
    let columns = ["who", "n:computed", "n:waited", "n:communication", "w:what its time went to"];
    let mut page = format!("<h2>Devices and ranks</h2>\n{}", table(&columns, &rows, devices.rows.len()));
    if !devices.kernels.is_empty() {
        let kernel = |row: &super::KernelRow| {
            vec![
                clipped(&row.name),
                row.count.to_string(),
                time(row.ms),
                time(row.ms / row.count.max(1) as f64),
                time(row.longest_ms),
                percent(row.share),
            ]
        };
        let rows: Vec<Vec<String>> = devices.kernels.iter().map(kernel).collect();
        let columns = ["w:kernel", "n:count", "n:time", "n:mean", "n:longest", "n:share"];
        let _ = write!(page, "<h2>Kernels with most time</h2>\n{}", table(&columns, &rows, rows.len()));
    }
    if !devices.groups.is_empty() {
        let group = |row: &super::GroupRow| {
            vec![
                clipped(&row.name),
                row.ranks.to_string(),
                row.meetings.to_string(),
                row.point_to_point.to_string(),
                time(row.communication_ms),
            ]
        };
        let rows: Vec<Vec<String>> = devices.groups.iter().take(64).map(group).collect();
        let columns = ["w:group", "n:ranks given", "n:meetings", "n:sends and receives", "n:communication"];
        let _ = write!(page, "<h2>Process groups</h2>\n{}", table(&columns, &rows, devices.groups.len()));
    }
    page
}
