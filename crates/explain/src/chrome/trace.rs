//! What a trace file holds, read as a stream into little memory.
//!
//! Only stretches of time are kept, 40 bytes each: complete events (`X`), pairs (`B`, `E`) and asynchronous pairs (`b`, `e`).
//! An operator inside another one of its thread, a frame of Python, an arrow between events add nothing to the answers and are
//! dropped as they come, so that a file takes about a twelfth of its size. Times are µs, fractions included.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;

use serde_json::Value;

use super::event::{Args, Raw, Scalar, nanoseconds, numbers};
use super::kind::{Kind, Operation};
use super::names::Names;
use super::objects::{Piece, Pieces};
use crate::source::Damage;

/// Slices that are kept, 320 MB; beyond, a trace is too long to be explained whole.
const KEPT: usize = 8 << 20;

/// Begun events whose end has not come.
const OPEN: usize = 1 << 18;

/// A stretch of time on a thread or a device's stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Slice {
    /// In ns since the trace's zero.
    pub start: u64,
    pub end: u64,
    /// By its number in [`Trace::names`].
    pub name: u32,
    /// By its position in [`Trace::lanes`].
    pub lane: u32,
    /// What a launch and what it launches have in common; 0 where nothing is said.
    pub correlation: u32,
    /// Further arguments: of a [`Kind::Collective`] in [`Trace::collectives`], else in [`Trace::own`]; from 1, 0 without.
    pub more: u32,
    pub kind: Kind,
}

/// A call of the host that gives work to a device, in 16 bytes, since there is one for every kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Launch {
    /// What it has in common with what it launches.
    pub correlation: u32,
    /// How long it took, in ns; at most 4 s.
    pub duration: u32,
    /// In ns since the trace's zero.
    pub start: u64,
}

/// A thread of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Lane {
    pub process: u32,
    pub thread: u32,
}

/// What of a slice's arguments our own export gives.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct OwnArgs {
    pub iteration: u32,
    pub round: u64,
    pub sync: Option<u64>,
    pub bytes: u64,
    pub records: u64,
}

/// What is said of a communication.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Communication {
    pub operation: Operation,
    /// Its group: the name and the description by their numbers, and the ranks if they are listed.
    pub group: Option<Group>,
    pub sequence: Option<u64>,
    /// Elements or bytes, whatever is given.
    pub size: u64,
    /// Bytes of each; 0 where the trace does not say.
    pub width: u8,
    /// For a send or receive: from which rank to which.
    pub pair: Option<(u64, u64)>,
}

/// A process group.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group {
    pub name: String,
    pub description: String,
    pub ranks: Vec<u64>,
}

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    pub slices: Vec<Slice>,
    pub launches: Vec<Launch>,
    /// The lanes that launch, by their positions.
    pub launching: BTreeSet<u32>,
    pub names: Names,
    pub lanes: Vec<Lane>,
    pub collectives: Vec<Communication>,
    pub own: Vec<OwnArgs>,
    /// Names of processes and lanes, by their ids in `names` and positions in `lanes`.
    pub processes: HashMap<u32, String>,
    pub threads: HashMap<u32, String>,
    /// This file's rank in a distributed run.
    pub rank: Option<u64>,
    /// How many ranks the run has.
    pub world: Option<u64>,
    /// The machine that it ran on.
    pub host: Option<String>,
    /// The groups of which it is told to be a member.
    pub groups: Vec<Group>,
    /// Whether the PyTorch profiler wrote it.
    pub is_kineto: bool,
}

/// Reads `text` to its end, or to where it is damaged.
pub(crate) fn read(text: impl Read) -> (Trace, Damage) {
    let mut reading = Reading::default();
    let mut damage = Damage::default();
    let mut pieces = Pieces::new(text);
    loop {
        let line = pieces.line;
        match pieces.next_piece() {
            Ok(None) => break,
            Ok(Some(piece)) => {
                let why = reading.piece(piece);
                if let Some(why) = why {
                    damage.count(pieces.line, why);
                }
            }
            Err(error) => {
                damage.count(line, error.to_string());
                break;
            }
        }
    }
    reading.finish(damage)
}

/// Bytes of an element, by the name of its type (`Float`, `BFloat16`, `["c10::Half"]`).
fn width(args: &Args<'_>) -> u8 {
    if args.elements.count().is_none() && args.bytes.count().is_some() {
        return 1;
    }
    let name = match args.dtype.text() {
        "" => args.types.map_or("", |types| types.get()).to_ascii_lowercase(),
        name => name.to_ascii_lowercase(),
    };
    let known = [
        ("float8", 1),
        ("bfloat16", 2),
        ("half", 2),
        ("float16", 2),
        ("double", 8),
        ("long", 8),
        ("float", 4),
        ("int8", 1),
        ("char", 1),
        ("byte", 1),
        ("int", 4),
    ];
    known.into_iter().find(|(part, _)| name.contains(part)).map_or(0, |found| found.1)
}

#[derive(Default)]
struct Reading {
    trace: Trace,
    lanes: HashMap<Lane, u32>,
    /// The last operator that was kept of each lane.
    operators: HashMap<u32, (u64, u64)>,
    groups: HashMap<String, Group>,
    open: HashMap<(u32, u32), Vec<Slice>>,
    waiting: usize,
    unusable: u64,
    left_out: u64,
}

impl Reading {
    /// Takes a piece; says what is wrong with it.
    fn piece(&mut self, piece: Piece<'_>) -> Option<String> {
        match piece {
            Piece::Event(text) => match serde_json::from_slice::<Raw<'_>>(text) {
                Ok(raw) => {
                    self.event(&raw, text);
                    None
                }
                Err(error) => Some(format!("an event cannot be read: {error}")),
            },
            Piece::Field(name, value) => {
                self.field(name, value);
                None
            }
            Piece::TooLong => Some("a value is longer than 1 MiB and is passed over".to_owned()),
            Piece::Cut => Some("the file ends before its last value does".to_owned()),
            Piece::Stray => Some("there is something outside of all values".to_owned()),
        }
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"\"distributedInfo\"" => {
                let Ok(info) = serde_json::from_slice::<Value>(value) else { return };
                self.trace.rank = info.get("rank").and_then(Value::as_u64);
                self.trace.world = info.get("world_size").and_then(Value::as_u64);
                let groups = info.get("pg_config").and_then(Value::as_array);
                self.trace.groups = groups.into_iter().flatten().take(1 << 12).filter_map(group).collect();
                self.trace.is_kineto = true;
            }
            b"\"host_name\"" => self.trace.host = serde_json::from_slice::<String>(value).ok(),
            b"\"schemaVersion\"" | b"\"deviceProperties\"" => self.trace.is_kineto = true,
            _ => {}
        }
    }

    fn event(&mut self, raw: &Raw<'_>, text: &[u8]) {
        let usable = match raw.ph.text() {
            "X" => self.slice(raw).map(|slice| slice.into_iter().for_each(|slice| self.keep(slice))),
            "B" => self.begin(raw, None),
            "b" => self.begin(raw, Some(())),
            "E" => self.end(raw, None),
            "e" => self.end(raw, Some(())),
            "M" => {
                self.describe(raw);
                Some(())
            }
            // The formats of TensorFlow and JAX close their lists with an empty event.
            "" => is_empty(text).then_some(()),
            _ => Some(()),
        };
        self.unusable += u64::from(usable.is_none());
    }

    fn keep(&mut self, slice: Slice) {
        if slice.kind == Kind::Operator {
            let last = self.operators.entry(slice.lane).or_insert((1, 0));
            if last.0 <= slice.start && slice.end <= last.1 {
                return;
            }
            *last = (slice.start, slice.end);
        }
        if self.trace.slices.len() + self.trace.launches.len() >= KEPT {
            self.left_out += 1;
        } else if slice.kind == Kind::Launch {
            self.trace.launching.insert(slice.lane);
            let duration = u32::try_from(slice.end - slice.start).unwrap_or(u32::MAX);
            let (correlation, start) = (slice.correlation, slice.start);
            push(&mut self.trace.launches, Launch { correlation, duration, start });
        } else {
            push(&mut self.trace.slices, slice);
        }
    }

    fn lane(&mut self, raw: &Raw<'_>) -> u32 {
        let process = self.trace.names.number(&raw.pid.shown());
        let thread = self.trace.names.number(&raw.tid.shown());
        let lane = Lane { process, thread };
        if let Some(&number) = self.lanes.get(&lane) {
            return number;
        }
        let number = self.trace.lanes.len() as u32;
        self.trace.lanes.push(lane.clone());
        self.lanes.insert(lane, number);
        number
    }

    /// The slice of an event; `None` if it is not of the format, `Some(None)` if it adds nothing.
    fn slice(&mut self, raw: &Raw<'_>) -> Option<Option<Slice>> {
        let start = nanoseconds(raw.ts)?;
        let duration = nanoseconds(raw.dur).unwrap_or(0);
        let (category, name) = (raw.cat.text(), raw.name.shown());
        self.trace.is_kineto |= Kind::is_of_kineto(category);
        let Some(kind) = Kind::of(category, &name) else { return Some(None) };
        let lane = self.lane(raw);
        let mut slice = Slice {
            start,
            end: start.saturating_add(duration),
            name: self.trace.names.number(&name),
            lane,
            correlation: 0,
            more: 0,
            kind,
        };
        // Of operators, the many, the arguments say nothing that is asked.
        if !matches!(kind, Kind::Operator | Kind::Named | Kind::Step) && raw.args.is_some() {
            self.arguments(&mut slice, Args::of(raw.args), &name);
        } else if kind == Kind::Collective || kind == Kind::Kernel && is_communication(&name) {
            self.arguments(&mut slice, Args::default(), &name);
        }
        Some(Some(slice))
    }

    fn arguments(&mut self, slice: &mut Slice, args: Args<'_>, name: &str) {
        slice.correlation = args.correlation.count().unwrap_or(0) as u32;
        let is_named = !args.collective.text().is_empty();
        if slice.kind == Kind::Kernel && (is_named || is_communication(name)) {
            slice.kind = Kind::Collective;
        }
        if slice.kind == Kind::Collective {
            let communication = self.communication(&args, name);
            self.trace.collectives.push(communication);
            slice.more = self.trace.collectives.len() as u32;
        } else if matches!(slice.kind, Kind::Own | Kind::Other) {
            let own = OwnArgs {
                iteration: args.iteration.count().unwrap_or(0) as u32,
                round: args.round.count().unwrap_or(0),
                sync: args.sync.count(),
                bytes: args.bytes.count().unwrap_or(0),
                records: args.records.count().unwrap_or(0),
            };
            if own != OwnArgs::default() {
                self.trace.own.push(own);
                slice.more = self.trace.own.len() as u32;
            }
        }
    }

    fn communication(&mut self, args: &Args<'_>, name: &str) -> Communication {
        let said = Operation::of(args.collective.text());
        let operation = if said == Operation::Unknown { Operation::of(name) } else { said };
        let group = (args.group != Scalar::None || args.ranks.is_some()).then(|| {
            let ranks = args.ranks.map_or("", |ranks| ranks.get());
            let key = format!("{}\n{ranks}", args.group.shown());
            let named = || Group {
                name: args.group.shown().into_owned(),
                description: args.description.text().to_owned(),
                ranks: numbers(args.ranks).unwrap_or_default(),
            };
            self.groups.entry(key).or_insert_with(named).clone()
        });
        let dims = || numbers(args.dims).map_or(0, |dims| dims.into_iter().fold(1, u64::saturating_mul));
        Communication {
            operation,
            group,
            sequence: args.sequence.count(),
            size: args.elements.count().or(args.bytes.count()).unwrap_or_else(dims),
            width: width(args),
            pair: args.source.count().zip(args.destination.count()),
        }
    }

    /// Asynchronous pairs belong together by their id, others by their thread.
    fn key(&mut self, raw: &Raw<'_>, is_asynchronous: Option<()>) -> (u32, u32) {
        match is_asynchronous {
            Some(()) => {
                let category = self.trace.names.number(raw.cat.text());
                let id = format!("{}\n{}", raw.id.shown(), raw.name.text());
                (category, self.trace.names.number(&id))
            }
            None => (u32::MAX, self.lane(raw)),
        }
    }

    fn begin(&mut self, raw: &Raw<'_>, is_asynchronous: Option<()>) -> Option<()> {
        if let Some(slice) = self.slice(raw)? {
            if self.waiting >= OPEN {
                self.left_out += 1;
                return Some(());
            }
            self.waiting += 1;
            let key = self.key(raw, is_asynchronous);
            self.open.entry(key).or_default().push(slice);
        }
        Some(())
    }

    fn end(&mut self, raw: &Raw<'_>, is_asynchronous: Option<()>) -> Option<()> {
        let at = nanoseconds(raw.ts)?;
        let key = self.key(raw, is_asynchronous);
        let begun = self.open.get_mut(&key).and_then(Vec::pop)?;
        self.waiting -= 1;
        self.keep(Slice { end: at.max(begun.start), ..begun });
        Some(())
    }

    fn describe(&mut self, raw: &Raw<'_>) {
        let args = Args::of(raw.args);
        let name = args.name.shown();
        match raw.name.text() {
            "process_name" => {
                let process = self.trace.names.number(&raw.pid.shown());
                self.trace.processes.insert(process, name.chars().take(200).collect());
            }
            "thread_name" => {
                let lane = self.lane(raw);
                self.trace.threads.insert(lane, name.chars().take(200).collect());
            }
            _ => {}
        }
    }

    fn finish(self, mut damage: Damage) -> (Trace, Damage) {
        if self.unusable > 0 {
            damage.note(format!("{} events are not of the format", self.unusable));
        }
        if self.left_out > 0 {
            damage
                .note(format!("only the first {KEPT} slices are looked at, {} are left out", self.left_out));
        }
        // Where a begin has no end the file was cut; its time is unknown.
        if self.waiting > 0 {
            damage.note(format!("{} events have no end", self.waiting));
        }
        (self.trace, damage)
    }
}

/// Appends to a list that may become large: it grows by a fixed step, since doubling would need room for three times of
/// what is in it.
fn push<T>(list: &mut Vec<T>, value: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(if list.len() < GROWTH { list.len().max(64) } else { GROWTH });
    }
    list.push(value);
}

/// The step, in items.
const GROWTH: usize = 1 << 18;

/// Whether a kernel's name is one of NCCL or its kin.
fn is_communication(name: &str) -> bool {
    ["nccl", "rccl", "Nccl", "NCCL"].iter().any(|library| name.contains(library))
}

fn is_empty(event: &[u8]) -> bool {
    event.iter().all(|byte| matches!(byte, b'{' | b'}') || byte.is_ascii_whitespace())
}

/// A group as `distributedInfo` tells it.
fn group(config: &Value) -> Option<Group> {
    let text = |field: &str| config.get(field).and_then(Value::as_str).unwrap_or("").to_owned();
    let ranks = config.get("ranks")?.as_array()?;
    Some(Group {
        name: text("pg_name"),
        description: text("pg_desc"),
        ranks: ranks.iter().filter_map(Value::as_u64).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_complete_events_pairs_and_names() {
        let (trace, damage) = read(
            &br#"{"schemaVersion": 1, "distributedInfo": {"rank": 3}, "traceEvents": [
                {"ph":"M","name":"process_name","pid":7,"args":{"name":"python"}},
                {"ph":"X","name":"aten::mm","cat":"cpu_op","pid":7,"tid":"main","ts":10.5,"dur":2.25,"args":{"Sequence number":4}},
                {"ph":"X","name":"aten::inner","cat":"cpu_op","pid":7,"tid":"main","ts":11,"dur":1},
                {"ph":"B","name":"outer","pid":7,"tid":1,"ts":1}, {"ph":"E","pid":7,"tid":1,"ts":"9"},
                {"ph":"b","name":"send","cat":"p2p","id":"0x1","pid":7,"ts":1},{"ph":"e","name":"send","cat":"p2p","id":"0x1","pid":7,"ts":3},
                {"ph":"X","name":"odd","ts":{}}, {"ph":5}, {"ph":"i","ts":4}], "later": [1]}"#[..],
        );
        assert_eq!((trace.rank, trace.is_kineto, trace.slices.len()), (Some(3), true, 3));
        assert_eq!((trace.slices[0].start, trace.slices[0].end), (10_500, 12_750));
        let outer = trace.slices[1];
        assert_eq!((trace.names.get(outer.name), outer.end), ("outer", 9_000));
        assert_eq!((trace.slices[2].start, trace.slices[2].end), (1_000, 3_000));
        assert_eq!(damage.notes, ["2 events are not of the format"]);
    }

    #[test]
    fn a_cut_file_is_read_up_to_the_cut() {
        let (trace, damage) = read(&br#"[{"ph":"X","ts":1,"dur":2},{"ph":"X","ts":5,"#[..]);
        assert_eq!((trace.slices.len(), damage.lines), (1, 1));
    }

    #[test]
    fn open_lists_and_empty_last_events_are_sound() {
        for text in [
            "[\n{\"ph\":\"X\",\"ts\":1,\"dur\":2},\n",
            "{\"traceEvents\":[{\"ph\":\"X\",\"ts\":1,\"dur\":2},{}]}",
        ] {
            let (trace, damage) = read(text.as_bytes());
            assert!(damage.is_none(), "{damage:?}");
            assert_eq!(trace.slices.len(), 1);
        }
    }

    #[test]
    fn a_damaged_event_costs_only_itself() {
        let (trace, damage) =
            read(&b"[{\"ph\":\"X\",\"ts\":1},\n{\"ph\":\"X\",,\"ts\":2},\n{\"ph\":\"X\",\"ts\":3}]"[..]);
        assert_eq!((trace.slices.len(), damage.lines, damage.first[0].line), (2, 1, 2));
    }

    #[test]
    fn a_communication_says_its_group() {
        let (trace, _) = read(
            &br#"[{"ph":"X","cat":"kernel","name":"ncclDevKernel_AllReduce_Sum_f32","ts":1,"dur":2,"args":{"correlation":9,
            "Collective name":"allreduce","Process Group Name":"tp1","Process Group Ranks":"[2, 3]","Seq":5,"In msg nelems":64}}]"#[..],
        );
        let found = &trace.collectives[0];
        assert_eq!((trace.slices[0].kind, trace.slices[0].correlation), (Kind::Collective, 9));
        assert_eq!((found.operation, found.sequence, found.size), (Operation::AllReduce, Some(5), 64));
        assert_eq!(found.group.as_ref().map(|group| group.ranks.clone()), Some(vec![2, 3]));
    }
}
