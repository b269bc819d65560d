//! What carries one node: it creates the node's pod, waits until that runs, is its standard input and output, and ends as
//! it does.
//!
//! The standard input is the node's leash. While the connection lasts it is the container's too, and where it ends, so does
//! the container's: nobody else can take it up again.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{AttachParams, AttachedProcess, ListParams, LogParams, PostParams};
use kube::{Api, Client};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::hold::{at_once, soon};
use super::state::{self, Standing};
use super::{Error, pod};
use crate::order::{End, Order};

/// How often a pod that waits is looked at, at first and later.
const LOOK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// How often one that runs is: what ends it ends the connection too, but for the loss of a machine.
const LOOK_AFTER: Duration = Duration::from_secs(10);

/// After so long Kubernetes' events are asked as well why a pod waits.
const SUSPICIOUS: Duration = Duration::from_secs(5);

/// For so long the cluster may give no answer.
const SILENCE: Duration = Duration::from_secs(30);

/// For so long after the end of its output a pod's own end is waited for: a kubelet tells of it within a second or two.
const LAST_STATE: Duration = Duration::from_secs(15);

/// For so long where the connection broke without a word of the container's end: who is silent then is the machine, and the launcher is to hear
/// of that before it blames a node that missed another.
const AFTER_BREAK: Duration = Duration::from_secs(4);

/// For so long after the end of its output what else there is of it.
const PROMPT: Duration = Duration::from_secs(1);

/// An empty line is sent so often, since what lies between may close connections on which nothing moves.
const SIGN: Duration = Duration::from_secs(60);

/// How many lines are shown of what a node said before anybody listened.
const LINES: i64 = 20;

/// What comes by the standard input, until that ends.
pub type Leash = UnboundedReceiver<Vec<u8>>;

/// Reads the leash from here on.
pub fn leash(mut input: impl AsyncRead + Send + Unpin + 'static) -> Leash {
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        let mut piece = vec![0; 1 << 10];
        while let Ok(read @ 1..) = input.read(&mut piece).await {
            if sender.send(piece[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The node's pod, and how it is reached.
pub struct Carrier {
    pods: Api<Pod>,
    events: Api<Event>,
    name: String,
    namespace: String,
    /// How many seconds it may wait for its place.
    patience: Duration,
    /// Takes what there is to tell meanwhile.
    say: Box<dyn Fn(&str) + Send>,
}

impl Carrier {
    /// For the pod of this order.
    pub fn new(client: Client, order: &Order, say: impl Fn(&str) + Send + 'static) -> Self {
        Self {
            pods: Api::namespaced(client.clone(), &order.namespace),
            events: Api::namespaced(client, &order.namespace),
            name: pod::name(order),
            namespace: order.namespace.clone(),
            patience: Duration::from_secs(order.wishes.patience().into()),
            say: Box::new(say),
        }
    }

    /// Carries the node to its end. Afterwards its pod is gone.
    ///
    /// # Errors
    /// When the pod cannot be created.
    pub async fn carry(
        &self,
        order: &Order,
        mut leash: Leash,
        output: impl AsyncWrite + Send + Unpin + 'static,
        errors: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<End, Error> {
        let wanted = pod::of(order)?;
        let doing = format!("cannot create the pod {}", self.name);
        self.pods.create(&PostParams::default(), &wanted).await.map_err(Error::of(doing, &self.namespace))?;
        let end = match self.start(&leash).await {
            Some(end) => {
                self.say_log().await;
                end
            }
            None => self.attend(&mut leash, output, errors).await,
        };
        self.delete(&leash).await;
        Ok(end)
    }

    /// Waits until the node's container runs; its end, if it comes to that first.
    async fn start(&self, leash: &Leash) -> Option<End> {
        let (mut pause, longest) = LOOK;
        let (mut waited, mut silent) = (Duration::ZERO, Duration::ZERO);
        let mut told = None;
        loop {
            if leash.is_closed() {
                return Some(End::Lost);
            }
            let why = match self.look().await {
                Ok(Standing::Runs) => return None,
                Ok(Standing::Ended(end)) => return Some(end),
                Ok(Standing::Waits { why, in_vain }) => {
                    silent = Duration::ZERO;
                    let why = match why {
                        None if waited >= SUSPICIOUS => self.last_warning().await,
                        why => why,
                    };
                    if in_vain {
                        return Some(End::NeverStarted(format!(
                            "its pod cannot start: {}",
                            why.unwrap_or_default()
                        )));
                    }
                    why
                }
                Err(_) if silent < SILENCE => {
                    silent += pause;
                    None
                }
                Err(error) => {
                    return Some(End::NeverStarted(format!("the cluster gives no answer: {error}")));
                }
            };
            if why.is_some() && why != told {
                (self.say)(&format!("its pod waits: {}", why.as_deref().unwrap_or_default()));
                told = why;
            }
            if waited >= self.patience {
                let why = told.unwrap_or_else(|| "Kubernetes does not say why".to_owned());
                let seconds = self.patience.as_secs();
                return Some(End::NeverStarted(format!(
                    "its pod has waited for {seconds} s (option wait): {why}"
                )));
            }
            sleep(pause).await;
            waited += pause;
            pause = (pause * 2).min(longest);
        }
    }

    /// Is the running node's standard input and output, until it ends or its launcher does.
    async fn attend(
        &self,
        leash: &mut Leash,
        output: impl AsyncWrite + Send + Unpin + 'static,
        errors: impl AsyncWrite + Send + Unpin + 'static,
    ) -> End {
        let mut attached = match self.attach().await {
            Ok(attached) => attached,
            Err(end) => {
                self.say_log().await;
                return end;
            }
        };
        let Some(mut input) = attached.stdin() else { return End::Lost };
        let status = attached.take_status();
        let mut copies = tokio::spawn(both(copy(attached.stdout(), output), copy(attached.stderr(), errors)));
        // Where the connection breaks, the streams beside it have no end.
        let mut connection = tokio::spawn(attached.join());
        let (mut sign, mut look) = (every(SIGN), every(LOOK_AFTER));
        loop {
            tokio::select! {
                biased;
                piece = leash.recv() => match piece {
                    // What can no longer be written to ends, and tells of it below.
                    Some(piece) => drop(input.write_all(&piece).await),
                    None => return End::Lost,
                },
                _ = &mut connection => {
                    let said = timeout(PROMPT, &mut copies).await;
                    let was_silent = said.is_ok_and(|said| said.is_ok_and(|bytes| bytes == 0));
                    // Kubernetes says by a status that the container has ended; a connection that breaks has none.
                    let told = match status {
                        Some(status) => matches!(timeout(PROMPT, status).await, Ok(Some(_))),
                        None => false,
                    };
                    if was_silent {
                        let _ = timeout(PROMPT, self.say_log()).await;
                    }
                    return self.last_state(told).await;
                }
                _ = sign.tick() => drop(input.write_all(b"\n").await),
                _ = look.tick() => {
                    if let Ok(Standing::Ended(end)) = self.look().await {
                        // The rest of what it said.
                        let _ = timeout(Duration::from_secs(1), &mut copies).await;
                        return end;
                    }
                }
            }
        }
    }

    /// Attaches to the container. In the moment of its start a kubelet may not find it yet.
    async fn attach(&self) -> Result<AttachedProcess, End> {
        let params = AttachParams::default().container(pod::CONTAINER).stdin(true);
        let mut last = String::new();
        for _ in 0..5 {
            match self.pods.attach(&self.name, &params).await {
                Ok(attached) => return Ok(attached),
                Err(error) => {
                    last = Error::of("cannot attach to its pod", &self.namespace)(error).to_string()
                }
            }
            if let Ok(Standing::Ended(end)) = self.look().await {
                return Err(end);
            }
            sleep(Duration::from_millis(500)).await;
        }
        Err(End::NeverStarted(last))
    }

    /// How the pod ended, now that nothing comes from it any more. Where the `connection` broke first, its end followed from
    /// that, unless it was taken away.
    async fn last_state(&self, was_told: bool) -> End {
        let ended = async {
            loop {
                match self.look().await {
                    Ok(Standing::Ended(end)) => return end,
                    _ => sleep(LOOK.0).await,
                }
            }
        };
        let patience = if was_told { LAST_STATE } else { AFTER_BREAK };
        match timeout(patience, ended).await {
            Ok(End::Code(_)) if !was_told => End::Lost,
            Ok(end) => end,
            Err(_) => End::Lost,
        }
    }

    /// How the pod is; one that is not there has been deleted.
    async fn look(&self) -> kube::Result<Standing> {
        let deleted = || Standing::Ended(End::WithPod(state::DELETED.to_owned()));
        Ok(self.pods.get_opt(&self.name).await?.map_or_else(deleted, |pod| state::of(&pod)))
    }

    /// The last thing that went wrong with the pod, by Kubernetes' events.
    async fn last_warning(&self) -> Option<String> {
        let of_pod = format!("involvedObject.name={},type=Warning", self.name);
        let events = self.events.list(&ListParams::default().fields(&of_pod)).await.ok()?;
        let last = events.items.into_iter().max_by_key(|event| event.last_timestamp.clone())?;
        Some(format!("{}: {}", last.reason.unwrap_or_default(), last.message.unwrap_or_default().trim()))
    }

    /// Tells what the container wrote while nobody was attached.
    async fn say_log(&self) {
        let params = LogParams { tail_lines: Some(LINES), ..LogParams::default() };
        // There is none of a container that never ran.
        let log = self.pods.logs(&self.name, &params).await.unwrap_or_default();
        log.lines().for_each(|line| (self.say)(line));
    }

    /// Deletes the pod: at once where it has ended, else with a moment for its node to end.
    async fn delete(&self, leash: &Leash) {
        let params = if leash.is_closed() { soon() } else { at_once() };
        // What stays now is deleted with the run.
        let _ = self.pods.delete(&self.name, &params).await;
    }
}

/// Copies all that is read; how many bytes that was.
fn copy(
    from: Option<impl AsyncRead + Send + Unpin + 'static>,
    mut to: impl AsyncWrite + Send + Unpin + 'static,
) -> JoinHandle<u64> {
    tokio::spawn(async move {
        let Some(mut from) = from else { return 0 };
        let mut piece = vec![0; 1 << 13];
        let mut all = 0;
        while let Ok(read @ 1..) = from.read(&mut piece).await {
            // Nobody may listen any more, but the node is not to notice.
            let _ = to.write_all(&piece[..read]).await;
            let _ = to.flush().await;
            all += read as u64;
        }
        all
    })
}

async fn both(output: JoinHandle<u64>, errors: JoinHandle<u64>) -> u64 {
    output.await.unwrap_or_default() + errors.await.unwrap_or_default()
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    ticks
}
