//! Parses a log's lines in parallel and hands on the events in their order.
//!
//! Three roles over bounded queues: one thread unpacks and cuts the text into blocks, one thread a core parses blocks,
//! and the caller takes the events. Blocks go round the parsers in turn and are collected in the same turn, so order
//! needs no numbers and a slow parser holds the others back instead of filling memory.

use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::event::{Event, parse};
use crate::source::{Block, Blocks, Damage};

/// Blocks that wait before and behind each parser.
const QUEUE: usize = 2;

/// The events of a block.
#[derive(Default)]
struct Parsed {
    events: Vec<Event>,
    lines: u64,
    damage: Damage,
}

/// Reads `text` to its end, gives each event to `take`, and tells what could not be read.
pub(crate) fn feed(text: impl Read + Send, take: impl FnMut(Event)) -> Damage {
    let parsers = thread::available_parallelism().map_or(1, usize::from).clamp(1, 16);
    thread::scope(|scope| {
        let (mut to, mut from) = (Vec::new(), Vec::new());
        for _ in 0..parsers {
            let (send_block, blocks) = sync_channel::<Block>(QUEUE);
            let (send_parsed, parsed) = sync_channel::<Parsed>(QUEUE);
            scope.spawn(move || {
                // The receiver is gone only when the caller unwinds.
                while let Ok(block) = blocks.recv()
                    && send_parsed.send(parse_block(&block)).is_ok()
                {}
            });
            to.push(send_block);
            from.push(parsed);
        }
        let reader = scope.spawn(move || cut(text, &to));
        let mut damage = collect(&from, take);
        if let Ok(Some(note)) = reader.join() {
            damage.note(note);
        }
        damage
    })
}

/// Cuts the text and deals the blocks out; the error that ended it, if one did.
fn cut(text: impl Read, parsers: &[SyncSender<Block>]) -> Option<String> {
    let mut blocks = Blocks::new(text);
    for parser in parsers.iter().cycle() {
        match blocks.next_block() {
            Ok(Some(block)) => parser.send(block).ok()?,
            Ok(None) => return None,
            Err(error) => return Some(format!("reading stopped: {error}")),
        }
    }
    None
}

fn collect(parsers: &[Receiver<Parsed>], mut take: impl FnMut(Event)) -> Damage {
    let mut damage = Damage::default();
    let mut lines = 0;
    for parser in parsers.iter().cycle() {
        let Ok(parsed) = parser.recv() else { break };
        for bad in &parsed.damage.first {
            damage.count(lines + bad.line, bad.why.clone());
        }
        damage.lines += parsed.damage.lines - parsed.damage.first.len() as u64;
        lines += parsed.lines;
        parsed.events.into_iter().for_each(&mut take);
    }
    damage
}

fn parse_block(block: &Block) -> Parsed {
    let mut parsed = Parsed::default();
    for line in block.lines() {
        parsed.lines += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match parse(line) {
            Ok(Event::Other) => {}
            Ok(event) => parsed.events.push(event),
            Err(error) => parsed.damage.count(parsed.lines, error.to_string()),
        }
    }
    for _ in 0..block.too_long {
        parsed.lines += 1;
        parsed.damage.count(parsed.lines, "longer than 64 MiB");
    }
    parsed
}
