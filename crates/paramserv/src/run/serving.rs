//! How a server, a replica or a standby is made of what all nodes know.

use std::ops::Range;

use syncline_data::Features;
use syncline_program::{Context, NodeResult};
use syncline_round::{
    AnyGate, Event, Fold, Machine, Member, Optimizer, OptimizerState, Policy, Schedule, Selection, Time,
};
use syncline_trace::Recorder;

use super::Run;
use crate::{
    Error,
    allreduce::Mail,
    checkpoint::{Checkpoint, Rest},
    computation::Recipe,
    hogwild::Hogwild,
    protocol::{Position, ServerStatistics},
    server::{Pace, Parts, Server},
    way::Way,
};

impl Run {
    /// A server of this node's rank, with the way to its standby where it has one.
    pub(crate) fn server(&self, ctx: &Context, standby: Option<Way>) -> NodeResult<Server> {
        Ok(Server::new(ctx, Parts { standby, ..self.parts(ctx)? }))
    }

    /// The standby of the server of this node's rank: the same, but that nobody is held there and nothing recorded.
    pub(crate) fn standby(&self, ctx: &Context) -> NodeResult<Server> {
        Ok(Server::new(ctx, Parts { recorder: Recorder::new(0), first_hold: None, ..self.parts(ctx)? }))
    }

    fn parts(&self, ctx: &Context) -> NodeResult<Parts> {
        let shard = self.shards[ctx.rank()].clone();
        let model = self.model();
        let within = |range: Range<usize>| {
            let (start, end) = (range.start.max(shard.start), range.end.min(shard.end));
            (start < end).then(|| start - shard.start..end - shard.start)
        };
        let regularised: Vec<_> = model.regularised().into_iter().filter_map(within).collect();
        let (optimizer, pace) = self.servers_step();
        let initial = model.initialise(self.plan.seed)[shard.clone()].to_vec();
        let (parameters, hogwild) = match self.sync {
            Policy::Hogwild => (Vec::new(), Some(Hogwild::new(&initial, optimizer, regularised.clone()))),
            _ => (initial, None),
        };
        Ok(Parts {
            shard: shard.clone(),
            policy: self.sync,
            machine: self.machine(ctx.rank())?,
            // What replicas step along is weighted and summed already.
            fold: if self.has_replicas() { Fold::Sum } else { self.recipe.fold },
            optimizer: optimizer.state(shard.len(), &regularised),
            parameters,
            hogwild,
            full: (0..self.rows.len()).map(|worker| self.full(worker)).collect(),
            pace,
            // A replica's step is part of its worker's time.
            recorder: Recorder::new(if self.has_replicas() { 0 } else { self.spans }),
            pulled: self.recipe.compression.pull,
            tells_changes: self.tells_changes(),
            asks_memory: self.asks_memory(),
            is_blank: self.resumes || ctx.incarnation() > 0,
            keeps_last: self.on_loss.goes_on()
                && self.shards.len() > 1
                && self.sync.waits_for_all()
                && !self.has_replicas(),
            mail: self
                .sync
                .collective()
                .map(|by| Mail::new(by, ctx.rank(), self.rows.len(), self.shards[ctx.rank()].len())),
            first_hold: self.first_cut.filter(|_| self.holds(ctx.rank())),
            standby: None,
        })
    }

    /// Whether servers tell workers of other processes what has changed: over sparse rows, of which few parameters are stepped in a
    /// round. What is sent in a shorter format is no exact value, and without a lock others step meanwhile.
    pub(super) fn tells_changes(&self) -> bool {
        matches!(self.data.features(), Features::Sparse(_))
            && self.recipe.compression.pull.is_none()
            && self.sync != Policy::Hogwild
            && !self.has_replicas()
    }

    /// The machine of a server, or of a replica, which is for one worker only.
    fn machine(&self, rank: usize) -> Result<Machine, syncline_round::Error> {
        if !self.has_replicas() {
            return Machine::new(self.sync, self.rows.len());
        }
        let mut machine = Machine::of(AnyGate::new(self.sync, Selection::All), 0)?;
        // Nobody has asked, so that there is nothing to do.
        machine.on(Time::START, Event::Join(Member::new(rank as u32)), &mut Vec::new())?;
        Ok(machine)
    }

    /// With what, and at which pace, servers step.
    fn servers_step(&self) -> (Optimizer, Pace) {
        let Recipe { fold, pace, optimizer, .. } = self.recipe;
        let steady = Pace { schedule: Schedule::default(), ..pace };
        match (self.sync.outer(), fold) {
            (Some(outer), _) => (outer, steady),
            // Averaged models have been stepped by their workers, at the pace of the round.
            (None, Fold::Average) => (Optimizer::unit(), steady),
            (None, Fold::Mean | Fold::Sum) => (optimizer, pace),
        }
    }

    /// The run before its first round, as a checkpoint would have it.
    pub(crate) fn beginning(&self) -> Result<Checkpoint, Error> {
        let workers = self.rows.len();
        let parameters = self.initial();
        let (moments, steps) = {
            let state = self.servers_step().0.state(parameters.len(), &[]);
            let (moments, steps) = state.memory();
            (moments.map(<[f32]>::to_vec), steps)
        };
        let rest = Rest {
            machine: Machine::new(self.sync, workers)?.snapshot(self.sync, Selection::All),
            steps,
            positions: vec![Position::default(); workers],
            statistics: vec![ServerStatistics::default(); self.shards.len()],
            record: Default::default(),
            elapsed: Default::default(),
        };
        Ok(Checkpoint { parameters, moments, memories: Vec::new(), rest })
    }

    /// The state of the servers' step over all parameters, as if there were one server.
    pub(crate) fn optimizer_state(&self) -> OptimizerState {
        let model = self.model();
        self.servers_step().0.state(model.parameters(), &model.regularised())
    }
}
