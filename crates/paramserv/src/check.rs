//! What cannot work is refused before anything starts, whoever asks for it: a mistake must not show as a panic in a
//! worker, or as a run that ends with nonsense.

use syncline_data::{Dataset, Features, Partition, Targets};
use syncline_program::Executor;
use syncline_round::{Every, Fold, Policy};
use syncline_terminal::unit::plural;

use crate::{Error, OnWorkerLoss, ParamServ};

/// Epochs at most: each is kept for the report.
const MOST_EPOCHS: u32 = 1_000_000;

/// Workers and servers at most: each is a thread or a process of this machine, or a task of a simulation.
const MOST_NODES: usize = 2048;

/// Workers at most that hold coded blocks: a good code of more takes minutes to find.
const MOST_CODED: usize = 64;

/// Refuses what cannot work.
pub(crate) fn check(run: &ParamServ) -> Result<(), Error> {
    counts(run)?;
    nodes(run)?;
    model(run)?;
    values(&run.data, "the training data")?;
    if let Some(validation) = &run.validation {
        values(validation, "the validation data")?;
    }
    steps(run)?;
    policy(run)?;
    compression(run)?;
    partition(run)?;
    elastic(run)?;
    standbys(run)?;
    coded(run)?;
    voted(run)?;
    run.sync.check(run.workers)?;
    Ok(())
}

fn counts(run: &ParamServ) -> Result<(), Error> {
    let counts = [
        ("workers", run.workers),
        ("servers", run.servers_asked_for().unwrap_or(1)),
        ("batch", run.batch),
        ("epochs", run.epochs as usize),
        ("patience", run.patience.map_or(1, |epochs| epochs as usize)),
    ];
    if let Some((what, _)) = counts.into_iter().find(|&(_, count)| count == 0) {
        return Err(out_of_range(what, 0, "it must be at least 1".to_owned()));
    }
    if run.epochs > MOST_EPOCHS {
        let must = format!("the report keeps a line an epoch, {MOST_EPOCHS} at most");
        return Err(out_of_range("epochs", run.epochs, must));
    }
    Ok(())
}

/// Workers and servers, in proportion to what they share.
fn nodes(run: &ParamServ) -> Result<(), Error> {
    let (rows, parameters) = (run.data.rows(), run.model.parameters());
    if run.workers > rows {
        let rows = plural(rows as u64, "row");
        let must = format!("only {rows} can be trained on, and each worker needs one");
        return Err(out_of_range("workers", run.workers, must));
    }
    let servers = run.server_count();
    if servers > parameters {
        let must = format!("there are only {parameters} parameters to share among servers");
        return Err(out_of_range("servers", servers, must));
    }
    if run.workers + servers * (1 + run.replicas.min(1)) > MOST_NODES {
        let must = format!("with {servers} servers that is more than {MOST_NODES} nodes");
        return Err(out_of_range("workers", run.workers, must));
    }
    if run.sync.heeds_arrival() && servers > 1 {
        let must =
            format!("under {} one server must decide which gradients a round takes: use one", run.sync);
        return Err(out_of_range("servers", servers, must));
    }
    let unknown = run.delays.iter().find_map(|delay| delay.worker().filter(|&w| w as usize >= run.workers));
    if let Some(worker) = unknown {
        let must = format!("there are {} workers, counted from 0", run.workers);
        return Err(out_of_range("the worker to inject delays into", worker, must));
    }
    let unknown = run.lies.iter().find_map(|lie| lie.worker().filter(|&w| w as usize >= run.workers));
    if let Some(worker) = unknown {
        let must = format!("there are {} workers, counted from 0", run.workers);
        return Err(out_of_range("the worker that is to lie", worker, must));
    }
    Ok(())
}

/// Whether the model fits the data, and both sets of data each other.
fn model(run: &ParamServ) -> Result<(), Error> {
    run.model.check(&run.data)?;
    let (initial, parameters) = (run.model.initialise(run.seed).len(), run.model.parameters());
    if initial != parameters {
        return Err(unfit(format!("its initial parameters are {initial}, not {parameters} as it says")));
    }
    if let Some(range) = run.model.regularised().into_iter().find(|range| range.end > parameters) {
        return Err(unfit(format!(
            "its regularised parameters {range:?} are not all among its {parameters}"
        )));
    }
    let weights = run.data.weights().is_some() || run.class_weight.is_some();
    if weights && !run.model.weighs_rows() {
        return Err(unfit("it does not heed the weights of rows; leave them out".to_owned()));
    }
    let Some(validation) = &run.validation else { return Ok(()) };
    let (columns, trained) = (validation.columns(), run.data.columns());
    if columns != trained {
        return Err(unfit(format!(
            "the validation data have {columns} columns, the training data {trained}"
        )));
    }
    match (run.data.targets(), validation.targets()) {
        (Targets::Real(_), Targets::Real(_)) => {}
        (Targets::Class { names: ours, .. }, Targets::Class { names: theirs, .. }) if ours == theirs => {}
        (Targets::Class { names: ours, .. }, Targets::Class { names: theirs, .. }) => {
            return Err(unfit(format!(
                "the validation data have the classes {theirs:?}, the training data {ours:?}"
            )));
        }
        _ => {
            return Err(unfit(
                "one of training and validation data has classes, the other numbers".to_owned(),
            ));
        }
    }
    if run.data.target_scale() != validation.target_scale() {
        return Err(unfit("the targets of training and validation data are at different scales".to_owned()));
    }
    run.model.check(validation)?;
    Ok(())
}

/// Whether all values are numbers: one that is not would only show as a loss that is none.
fn values(data: &Dataset, which: &str) -> Result<(), Error> {
    let (features, columns) = match data.features() {
        Features::Dense(dense) => (dense.values(), data.columns()),
        Features::Sparse(csr) => (csr.values(), 0),
    };
    if let Some(at) = features.iter().position(|value| !value.is_finite()) {
        let place = match columns {
            0 => format!("stored value {at}"),
            _ => format!("row {}, column `{}`", at / columns, data.feature_name(at % columns)),
        };
        return Err(unfit(format!("in {which} {place} is {}, which is no finite number", features[at])));
    }
    if let Targets::Real(targets) = data.targets()
        && let Some(row) = targets.iter().position(|target| !target.is_finite())
    {
        let target = targets[row];
        return Err(unfit(format!(
            "in {which} the target of row {row} is {target}, which is no finite number"
        )));
    }
    Ok(())
}

/// What decides the steps.
fn steps(run: &ParamServ) -> Result<(), Error> {
    if let Some(length) = run.clip.filter(|length| !(length.is_finite() && *length > 0.0)) {
        return Err(out_of_range("clip", length, "it must be a positive length such as 1".to_owned()));
    }
    if run.schedule.warmup() >= run.epochs && run.schedule.warmup() > 0 {
        let must = format!("the run has {} epochs, and must go on after its warm-up", run.epochs);
        return Err(out_of_range("warmup", run.schedule.warmup(), must));
    }
    if run.patience.is_some() && run.validation.is_none() {
        let must = "without validation rows nothing tells when to stop".to_owned();
        return Err(out_of_range("patience", run.patience.unwrap_or_default(), must));
    }
    let penalised = run.optimizer.l1() > 0.0 || run.optimizer.l2() > 0.0;
    if penalised && run.model.regularised().iter().all(std::ops::Range::is_empty) {
        let must = "the model has no parameters that penalties act on".to_owned();
        return Err(out_of_range("l1 or l2", run.optimizer.l1().max(run.optimizer.l2()), must));
    }
    if let Some(weight) = &run.class_weight {
        weight.check(run.data.targets())?;
    }
    Ok(())
}

/// What a policy says itself, and what it cannot be with.
fn policy(run: &ParamServ) -> Result<(), Error> {
    let sync = run.sync;
    if let Some((what, got)) = run.contradicted() {
        let (every, fold) = (run.exchanges(), run.folds());
        let must = format!(
            "--sync {sync} says itself what is exchanged and when ({every}, {fold}): leave --{what} out, or use --sync bsp"
        );
        return Err(out_of_range(what, got, must));
    }
    without_servers(run)?;
    let rule = run.optimizer.rule();
    // Averaged models have been stepped by their workers, whatever the rule.
    if sync == Policy::Hogwild && rule.remembers() && run.folds() != Fold::Average {
        let must = "hogwild steps without a lock, and what this rule remembers would no longer fit the parameters: use \
                    --optimizer sgd, or --sync asp"
            .to_owned();
        return Err(out_of_range("optimizer", rule, must));
    }
    Ok(())
}

/// What there is not where workers hold the parameters themselves.
fn without_servers(run: &ParamServ) -> Result<(), Error> {
    let sync = run.sync;
    if sync.collective().is_none() {
        return Ok(());
    }
    if let Some(servers) = run.servers_asked_for() {
        let must = format!(
            "--sync {sync} has none, each worker holds all parameters: leave --servers out, or use --sync bsp"
        );
        return Err(out_of_range("servers", servers, must));
    }
    if !run.compression.is_none() {
        let must = format!(
            "under --sync {sync} sums travel from worker to worker, and each would lose something again: leave --compress out, \
             or use --sync bsp"
        );
        return Err(out_of_range("compress", run.compression, must));
    }
    if run.on_loss == OnWorkerLoss::Redistribute {
        let must = format!(
            "under --sync {sync} a worker holds parameters that the others wait for, and cannot be done without: use restart, or \
             --sync bsp"
        );
        return Err(out_of_range("on-worker-loss", run.on_loss, must));
    }
    Ok(())
}

/// Whether rows can be dealt out so.
fn partition(run: &ParamServ) -> Result<(), Error> {
    if run.sync.copies() > 1 && matches!(run.partition, Partition::Weight(_) | Partition::Measured) {
        let must = format!("under {} the workers of a group do the same: use --partition random", run.sync);
        return Err(out_of_range("partition", &run.partition, must));
    }
    if run.partition == Partition::Measured {
        measured_partition(run)?;
    }
    let groups = run.workers / run.sync.copies().max(1);
    run.partition
        .check(run.data.targets(), groups.max(1))
        .map_err(|why| Error::Contradiction(why.to_string()))
}

/// Whether rows can be dealt out by how fast workers are.
fn measured_partition(run: &ParamServ) -> Result<(), Error> {
    let refused = |must: String| Err(out_of_range("partition", &run.partition, must));
    if run.workers == 1 {
        return refused("one worker alone has all rows: leave --partition out".to_owned());
    }
    if !run.sync.waits_for_all() {
        return refused(format!(
            "under {} workers come to the end of an epoch at different times, and rows are dealt out there to all at once: use \
             --sync bsp, local:STEPS or diloco:STEPS, or weights of your own, as in weight:2,1",
            run.sync
        ));
    }
    if run.elastic.is_some() || run.on_loss == OnWorkerLoss::Redistribute {
        return refused(
            "where one worker does the work of several, how fast that is says nothing of the next epoch: use --partition random, \
             or leave out --elastic and --on-worker-loss redistribute"
                .to_owned(),
        );
    }
    if run.epochs == 1 {
        return refused(
            "rows are dealt out by speed from the second epoch on, and there is one only".to_owned(),
        );
    }
    Ok(())
}

/// Whether workers may come and go under a policy: who is there does the work of those who are not.
pub(crate) fn may_come_and_go(sync: Policy) -> bool {
    matches!(sync, Policy::Bsp | Policy::Asp | Policy::Ssp { .. } | Policy::Hogwild) || sync.outer().is_some()
}

/// Whether workers may come and go.
fn elastic(run: &ParamServ) -> Result<(), Error> {
    let Some(there) = run.elastic else { return Ok(()) };
    if !(1..=run.workers).contains(&there) {
        let must =
            format!("so many of the {} workers are there at the start: at least 1, at most all", run.workers);
        return Err(out_of_range("elastic", there, must));
    }
    match run.sync {
        sync if may_come_and_go(sync) => Ok(()),
        sync if sync.collective().is_some() => {
            let must = format!(
                "under {sync} each worker holds the parameters, and what it holds does not pass to others: use --sync bsp"
            );
            Err(out_of_range("elastic", there, must))
        }
        sync if sync.majority().is_some() => {
            let must = format!(
                "under {sync} each of a group has one voice, and who does the work of another would have two: use --sync bsp"
            );
            Err(out_of_range("elastic", there, must))
        }
        sync => {
            let must = format!(
                "under {sync} a round does not wait for all, and would drop what a worker does that has the work of two: use \
                 --sync bsp, asp, ssp:BOUND, local:STEPS, diloco:STEPS or hogwild"
            );
            Err(out_of_range("elastic", there, must))
        }
    }
}

/// Whether servers may have standbys.
fn standbys(run: &ParamServ) -> Result<(), Error> {
    let (replicas, sync) = (run.replicas, run.sync);
    let refused = |must: String| Err(out_of_range("replicas", replicas, must));
    if replicas == 0 {
        return Ok(());
    }
    if replicas > 1 {
        return refused(
            "each server has one standby at most, which is told all anew when it is lost itself".to_owned(),
        );
    }
    if sync.collective().is_some() {
        return refused(format!(
            "under --sync {sync} there are no servers, each worker holds all parameters: leave --replicas out, or use --sync bsp"
        ));
    }
    if sync == Policy::Hogwild {
        let must = "under hogwild parameters are stepped in the memory that workers share, past what a server could tell a standby: \
                    leave --replicas out, or use --sync asp";
        return refused(must.to_owned());
    }
    if run.on_loss == OnWorkerLoss::Stop {
        let must =
            "a lost server ends the run where a loss stops it: add --on-worker-loss restart or redistribute";
        return refused(must.to_owned());
    }
    Ok(())
}

/// Whether servers can be lost where the nodes are to run, so that standbys are of use.
pub(crate) fn place_standbys(replicas: usize, executor: &Executor) -> Result<(), Error> {
    if replicas > 0 && !(executor.has_processes() || executor.is_sim()) {
        return Err(Error::Contradiction(format!(
            "--replicas is for servers that can be lost apart from the launching process, and those on {executor} cannot: add --on \
             processes, or leave it out"
        )));
    }
    Ok(())
}

/// What there is not where workers hold coded blocks, and no rows.
fn coded(run: &ParamServ) -> Result<(), Error> {
    let sync = run.sync;
    if sync.coded().is_none() {
        return Ok(());
    }
    let without_effect = |what, got: String, why: &str| {
        let must =
            format!("under --sync {sync} {why}: leave it out, or use --sync bsp or repetition:STRAGGLERS");
        Err(out_of_range(what, got, must))
    };
    if cfg!(not(feature = "coded")) {
        return Err(Error::Contradiction(format!("--sync {sync} needs the feature `coded` of this crate")));
    }
    if run.model.affine_outputs().is_none() {
        return Err(Error::Contradiction(format!(
            "--sync {sync} codes products of the rows, so that the model must be linear: use --model linear, logistic, softmax or \
             svm, or a code for any model, --sync repetition:STRAGGLERS"
        )));
    }
    if matches!(run.data.features(), Features::Sparse(_)) {
        return Err(Error::Contradiction(format!(
            "--sync {sync} adds up rows, and sums of sparse rows are not sparse: use --sync bsp or repetition:STRAGGLERS"
        )));
    }
    if run.workers > MOST_CODED {
        let must = format!(
            "under --sync {sync} it must be at most {MOST_CODED}: for more no code is found in reasonable time that loses few digits"
        );
        return Err(out_of_range("workers", run.workers, must));
    }
    let rows = run.data.rows();
    if run.batch < rows {
        let why = format!("a step is made of all {rows} rows");
        return without_effect("batch", run.batch.to_string(), &why);
    }
    if run.exchanges() != Every::Batch {
        return without_effect("every", run.exchanges().to_string(), "each step is an exchange");
    }
    if run.folds() != Fold::Mean {
        return without_effect("fold", run.folds().to_string(), "answers are decoded");
    }
    if run.partition != Partition::Random {
        return without_effect("partition", run.partition.to_string(), "workers hold blocks of all rows");
    }
    if !run.shuffle {
        return without_effect("no-shuffle", "given".to_owned(), "a step is made of all rows, in any order");
    }
    if !run.compression.is_none() {
        return without_effect(
            "compress",
            run.compression.to_string(),
            "answers are decoded from all their digits",
        );
    }
    if let Some(lie) = run.lies.first() {
        return without_effect(
            "liar",
            lie.to_string(),
            "workers multiply coded blocks, and make no gradients",
        );
    }
    if run.on_loss != OnWorkerLoss::Stop {
        let why = "a worker that is started again has nothing to go on from, and as many as are not needed may be slow, not lost";
        return without_effect("on-worker-loss", run.on_loss.to_string(), why);
    }
    Ok(())
}

/// What there is not where groups of workers vote on their gradients, and not where each has a model of its own.
fn voted(run: &ParamServ) -> Result<(), Error> {
    let sync = run.sync;
    if let Policy::Gossip { with } = sync {
        return Err(Error::Contradiction(format!(
            "--sync {sync}: under gossip each has a model of its own, and a run here trains one: use `syncline federate --strategy gossip \
             --neighbours {with}`, or --sync local:STEPS or hierarchical:GROUP,PERIOD"
        )));
    }
    if sync.majority().is_none() {
        return Ok(());
    }
    if run.compression.push.is_some() {
        let must = format!(
            "under --sync {sync} gradients are compared bit for bit, and what a push leaves out depends on what its worker has sent \
             before: leave it out, or compress pulls only"
        );
        return Err(out_of_range("compress", run.compression, must));
    }
    if run.on_loss == OnWorkerLoss::Redistribute {
        let must = format!(
            "under --sync {sync} each of a group has one voice, and who does the work of another would have two: use restart"
        );
        return Err(out_of_range("on-worker-loss", run.on_loss, must));
    }
    Ok(())
}

/// Whether a handle that is to scale the run has something to scale.
pub(crate) fn fits_scaling(is_scaled: bool, elastic: Option<usize>) -> Result<(), Error> {
    if is_scaled && elastic.is_none() {
        let why =
            "a run is scaled only where its workers come and go: say `elastic`, with how many it begins";
        return Err(Error::Contradiction(why.to_owned()));
    }
    Ok(())
}

/// Whether there is anything to be made shorter, and in this way.
fn compression(run: &ParamServ) -> Result<(), Error> {
    if run.compression.is_none() {
        return Ok(());
    }
    if run.sync == Policy::Hogwild {
        let must = "hogwild is for workers that share memory, between which nothing travels: leave --compress out, or use --sync asp"
            .to_owned();
        return Err(out_of_range("compress", run.compression, must));
    }
    if run.compression.has_blocks() && matches!(run.data.features(), Features::Sparse(_)) {
        let must = "in int8 neighbours share a scale, and what sparse rows touch has none: use bf16, f16 or push=topk:SHARE".to_owned();
        return Err(out_of_range("compress", run.compression, must));
    }
    Ok(())
}

/// Whether a policy can be kept where the nodes are to run.
pub(crate) fn place(sync: Policy, executor: &Executor) -> Result<(), Error> {
    if sync == Policy::Hogwild && executor.has_processes() {
        return Err(Error::Contradiction(format!(
            "--sync hogwild is for workers that share memory, and those on {executor} do not: their servers would step one \
             gradient after the other, which is --sync asp; use that, or --on threads"
        )));
    }
    Ok(())
}

/// What there cannot be where gradients are not computed.
pub(crate) fn skipped(run: &ParamServ) -> Result<(), Error> {
    let wants = [
        (run.patience.is_some(), "--patience heeds the loss"),
        (run.checkpoints.is_some() || run.resume.is_some(), "checkpoints are of a model"),
        (run.sync.coded().is_some(), "coded products are decoded"),
    ];
    match wants.into_iter().find(|(is_wanted, _)| *is_wanted) {
        None => Ok(()),
        Some((_, what)) => Err(Error::Contradiction(format!(
            "--compute skip: leaves the gradients uncomputed, and {what}: leave one of them out"
        ))),
    }
}

pub(crate) fn out_of_range(what: &'static str, got: impl ToString, must: String) -> Error {
    Error::OutOfRange { what, got: got.to_string(), must }
}

fn unfit(why: String) -> Error {
    Error::Learn(syncline_learn::Error::Check(why))
}
