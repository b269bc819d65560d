//! A value that some set, and for which others wait.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use syncline_wire::{Call, Service, ServiceError};
use tokio::sync::watch;

use crate::{Context, Error, Handle, Peer, Program};

/// What a condition's value must be able to.
pub trait Shared: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {}
impl<V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> Shared for V {}

/// A shared value, of which every change is seen by those who wait for one, the last of several at least.
///
/// ```
/// use syncline_program::{Executor, Program, launch};
///
/// let mut program = Program::new("epochs");
/// let epoch = program.condition("epoch", 0_u32);
/// let setter = epoch.clone();
/// program.node("trainer", async move |ctx| {
///     let epoch = setter.at(&ctx);
///     for done in 1..=3 {
///         epoch.set(done).await?;
///     }
///     Ok(())
/// });
/// let program = program.driver(async move |ctx| Ok(epoch.at(&ctx).wait_for(|epoch| *epoch >= 3).await?));
/// assert_eq!(launch(program, Executor::threads())?.wait()?, 3);
/// # Ok::<(), syncline_program::Error>(())
/// ```
pub struct Condition<V: Shared>(Handle<ConditionService<V>>);

/// A node's side of a condition.
pub struct ConditionSide<V: Shared>(Peer<ConditionService<V>>);

/// The service behind a [`Condition`].
pub struct ConditionService<V> {
    ctx: Context,
    /// The value, and how often it has been set.
    value: watch::Sender<(u64, V)>,
}

/// What a condition is asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ask<V> {
    /// Set it.
    Set(V),
    /// Tell it when it has been set more often than this.
    After(Option<u64>),
}

impl<T: Send + 'static> Program<T> {
    /// Adds a value to be shared, which is `first` until somebody sets it.
    pub fn condition<V: Shared>(&mut self, label: &str, first: V) -> Condition<V> {
        Condition(self.service(label, move |ctx| {
            Ok(ConditionService { ctx: ctx.clone(), value: watch::Sender::new((0, first.clone())) })
        }))
    }
}

impl<V: Shared> Condition<V> {
    /// The condition, as the node of `ctx` reaches it.
    pub fn at(&self, ctx: &Context) -> ConditionSide<V> {
        ConditionSide(self.0.peer(ctx))
    }
}

impl<V: Shared> ConditionSide<V> {
    /// Sets the value.
    ///
    /// # Errors
    /// As [`Peer::call`], as of all that follows.
    pub async fn set(&self, value: V) -> Result<(), Error> {
        self.0.call(Ask::Set(value)).await.map(drop)
    }

    /// The value now.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn get(&self) -> Result<V, Error> {
        Ok(self.0.call(Ask::After(None)).await?.1)
    }

    /// Waits until the value is as wanted, and gives it.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn wait_for(&self, wanted: impl Fn(&V) -> bool) -> Result<V, Error> {
        let mut seen = None;
        loop {
            let (times, value) = self.0.call(Ask::After(seen)).await?;
            if wanted(&value) {
                return Ok(value);
            }
            seen = Some(times);
        }
    }
}

impl<V: Shared> Service for ConditionService<V> {
    type Request = Ask<V>;
    type Reply = (u64, V);
    type Error = ServiceError;

    async fn call(&self, _: &Call<'_>, request: Ask<V>) -> Result<(u64, V), ServiceError> {
        let seen = match request {
            Ask::Set(value) => {
                self.value.send_modify(|(times, now)| {
                    *times += 1;
                    *now = value;
                });
                None
            }
            Ask::After(seen) => seen,
        };
        let gate = || ("condition, which nobody sets".to_owned(), Vec::new());
        let mut value = self.value.subscribe();
        let newer = value.wait_for(|(times, _)| seen.is_none_or(|seen| *times > seen));
        let now = self.ctx.wait_at(gate, newer).await?.clone();
        Ok(now)
    }
}

impl<V: Shared> Clone for Condition<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V: Shared> fmt::Debug for Condition<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({})", self.0.name())
    }
}
