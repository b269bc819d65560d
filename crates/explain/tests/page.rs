//! The page in a real browser: it is drawn, in light, dark and at a phone's width, and its script does not complain.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use syncline_explain::report::html;
use syncline_explain::{Report, explain};

fn report() -> Report {
    explain(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/local2_lr.json.zst")).unwrap()
}

fn browser() -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found =
        folders.iter().flat_map(|folder| names.map(|name| folder.join(name))).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: no chromium in PATH");
    }
    found
}

/// Runs the browser without a window, with a profile of its own and nothing that goes out.
fn run(browser: &Path, folder: &Path, arguments: &[&str]) -> Output {
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let quiet = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--enable-logging=stderr",
    ];
    let page = format!("file://{}", folder.join("page.html").display());
    Command::new(browser).args(quiet).arg(profile).args(arguments).arg(page).output().unwrap()
}

/// The pixels of a PNG with 8 bits a channel, as Chromium writes them, by colour.
fn colours(png: &[u8]) -> HashMap<[u8; 3], usize> {
    let (mut at, mut packed, mut head) = (8, Vec::new(), Vec::new());
    while at + 8 <= png.len() {
        let length = u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
        let body = &png[at + 8..at + 8 + length];
        match &png[at + 4..at + 8] {
            b"IHDR" => head = body.to_vec(),
            b"IDAT" => packed.extend_from_slice(body),
            _ => {}
        }
        at += 12 + length;
    }
    let width = u32::from_be_bytes(head[0..4].try_into().unwrap()) as usize;
    let channels = if head[9] == 6 { 4 } else { 3 };
    let mut rows = Vec::new();
    flate2::read::ZlibDecoder::new(&packed[..]).read_to_end(&mut rows).unwrap();
    let stride = width * channels;
    let mut above = vec![0u8; stride];
    let mut counts = HashMap::new();
    for row in rows.chunks_exact(stride + 1) {
        let mut line = row[1..].to_vec();
        for at in 0..stride {
            let left = if at >= channels { line[at - channels] } else { 0 };
            let corner = if at >= channels { above[at - channels] } else { 0 };
            let add = match row[0] {
                1 => left,
                2 => above[at],
                3 => ((u16::from(left) + u16::from(above[at])) / 2) as u8,
                4 => paeth(left, above[at], corner),
                _ => 0,
            };
            line[at] = line[at].wrapping_add(add);
        }
        for pixel in line.chunks_exact(channels) {
            *counts.entry([pixel[0], pixel[1], pixel[2]]).or_insert(0) += 1;
        }
        above = line;
    }
    counts
}

fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let guess = i16::from(left) + i16::from(above) - i16::from(corner);
    let distance = |value: u8| (guess - i16::from(value)).abs();
    let nearest = [left, above, corner];
    nearest.into_iter().min_by_key(|&value| distance(value)).unwrap()
}

#[test]
fn the_page_is_drawn_in_light_in_dark_and_on_a_phone() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("page.html"), html(&[report()])).unwrap();
    let shot = folder.path().join("shot.png");
    let to = format!("--screenshot={}", shot.display());
    // Window, settings, ground colour, colour of tasks with results.
    let views = [
        (
            "--window-size=1200,900",
            "--blink-settings=preferredColorScheme=1",
            [0xfb, 0xfb, 0xfa],
            [0x3f, 0x7f, 0xb8],
        ),
        (
            "--window-size=1200,900",
            "--blink-settings=preferredColorScheme=0",
            [0x14, 0x18, 0x1b],
            [0x6a, 0xa8, 0xdf],
        ),
        (
            "--window-size=500,1200",
            "--blink-settings=preferredColorScheme=1",
            [0xfb, 0xfb, 0xfa],
            [0x3f, 0x7f, 0xb8],
        ),
    ];
    for (window, settings, ground, task) in views {
        let output = run(&browser, folder.path(), &[window, settings, &to]);
        let console = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!console.contains("CONSOLE"), "{console}");
        let colours = colours(&fs::read(&shot).unwrap());
        let count = |colour: [u8; 3]| colours.get(&colour).copied().unwrap_or(0);
        assert!(count(ground) > 100_000, "{window} {settings}: the ground is not {ground:?}");
        assert!(count(task) > 300, "{window} {settings}: only {} pixels of tasks", count(task));
    }
}

#[test]
fn the_script_runs_and_the_tables_have_rows() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("page.html"), html(&[report()])).unwrap();
    let output = run(&browser, folder.path(), &["--dump-dom"]);
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    // The script writes the axis anew.
    assert!(page.contains("<span>0</span>"), "the script did not run");
    assert!(page.matches("class=\"bar ").count() == 70, "a bar a task");
    assert!(page.matches("<tr>").count() > 40);
}

/// A Spark log of one job from 2 s to 4 s with two tasks on two cores; the application ends after `tail` more seconds.
fn log_with_tail(tail: u32) -> String {
    let at = |ms: u32| 1_700_000_000_000_u64 + u64::from(ms);
    let stage = |more: &str| {
        format!(
            r#""Stage Info":{{"Stage ID":0,"Stage Name":"count at B.scala:1","Number of Tasks":2,"Parent IDs":[],"Submission Time":{}{more}}}"#,
            at(2000)
        )
    };
    let task = |id: u32| {
        format!(
            r#""Stage ID":0,"Task Type":"ResultTask","Task End Reason":{{"Reason":"Success"}},"Task Info":{{"Task ID":{id},"Index":{id},"Launch Time":{},"Finish Time":{},"Executor ID":"1"}},"Task Metrics":{{"Executor Run Time":2000}}"#,
            at(2000),
            at(4000)
        )
    };
    let events = [
        ("LogStart", r#""Spark Version":"3.5.1""#.to_owned()),
        ("ApplicationStart", format!(r#""App Name":"tail","App ID":"a","Timestamp":{}"#, at(0))),
        (
            "ExecutorAdded",
            format!(
                r#""Timestamp":{},"Executor ID":"1","Executor Info":{{"Host":"h","Total Cores":2}}"#,
                at(1000)
            ),
        ),
        ("JobStart", format!(r#""Job ID":0,"Submission Time":{},"Stage IDs":[0]"#, at(2000))),
        ("StageSubmitted", stage("")),
        ("TaskEnd", task(0)),
        ("TaskEnd", task(1)),
        ("StageCompleted", stage(&format!(r#","Completion Time":{}"#, at(4000)))),
        (
            "JobEnd",
            format!(r#""Job ID":0,"Completion Time":{},"Job Result":{{"Result":"JobSucceeded"}}"#, at(4000)),
        ),
        ("ApplicationEnd", format!(r#""Timestamp":{}"#, at(4000 + tail))),
    ];
    events.map(|(event, rest)| format!("{{\"Event\":\"SparkListener{event}\",{rest}}}\n")).concat()
}

/// What lies between `before` and `after` behind every occurrence of `tag`.
fn attributes(page: &str, tag: &str, before: &str) -> Vec<f64> {
    let value = |part: &str| {
        let from = part.find(before).map(|at| at + before.len()).unwrap();
        part[from..].split('"').next().unwrap().parse().unwrap()
    };
    page.split(tag).skip(1).map(value).collect()
}

#[test]
fn the_busy_band_lies_under_its_bars() {
    let folder = tempfile::tempdir().unwrap();
    for tail in [0, 100, 1000, 3000, 60_000] {
        let path = folder.path().join(format!("{tail}.log"));
        fs::write(&path, log_with_tail(tail)).unwrap();
        let page = html(&[explain(&path).unwrap()]);
        let (starts, widths) = (
            attributes(&page, "<rect class=\"bar ", " x=\""),
            attributes(&page, "<rect class=\"bar ", " width=\""),
        );
        assert_eq!((starts.len(), starts[0], widths[0]), (2, 2000.0, 2000.0));
        let path = page.split("class=\"util\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        let points: Vec<(f64, f64)> = path[1..path.len() - 1]
            .split('L')
            .map(|point| point.split_once(' ').unwrap())
            .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
            .collect();
        let ground = points[0].1;
        let busy: Vec<f64> =
            points.iter().filter(|point| point.1 < ground - 1.0).map(|point| point.0).collect();
        let part = f64::from(4000 + tail) / 512.0;
        assert!(
            (busy[0] - 2000.0).abs() <= part && (busy[busy.len() - 1] - 4000.0).abs() <= part,
            "{tail}: {busy:?}"
        );
        assert!((points[points.len() - 1].0 - f64::from(4000 + tail)).abs() < 1.0);
    }
}

#[test]
fn names_from_a_log_cannot_become_markup() {
    let mut report = report();
    let evil = "</script><img src=x onerror=alert(1)>\"'&".to_owned();
    report.name.clone_from(&evil);
    report.sync_points[0].place.clone_from(&evil);
    report.timeline.labels[0].clone_from(&evil);
    report.distributions[0].stage.clone_from(&evil);
    let page = html(&[report]);
    assert!(!page.contains("<img"));
    assert_eq!(page.matches("</script>").count(), 2);
}

#[test]
fn the_page_needs_nothing_else() {
    let page = html(&[report()]);
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}
