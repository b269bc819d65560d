//! A run that the cluster launches itself, from its Job's creation to its end.
//!
//! The Job's one pod is the launcher. What that prints is the run's output, how its container ends is how the run ended, and the
//! deletion of the Job asks it to come to its end: the pod has its grace for a checkpoint.

use std::io::{self, Write};
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{DeleteParams, ListParams, LogParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::connection::Connection;
use super::state::{self, Standing};
use super::{Error, access, launcher};
use crate::launched::Launched;
use crate::order::Plan;
use crate::wishes::Wishes;

/// How often a run that goes on is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// For how long beyond its grace a Job that was deleted may take to be gone.
const BEYOND_GRACE: Duration = Duration::from_secs(60);

/// A pod's grace where its Job says nothing, by Kubernetes' own default.
const GRACE: i64 = 30;

/// The label by which the pods of a Job are found.
const OF_JOB: &str = "job-name";

/// The exit code of what was asked to end.
const ASKED_TO_END: i32 = 143;

/// Has the cluster launch a program: the launcher's account and rights where they are not there, and the Job.
///
/// # Errors
/// When something must not be created, or there is such a Job already.
pub async fn launch(connection: &Connection, plan: &Plan) -> Result<Launched, Error> {
    let Connection { client, namespace, .. } = connection;
    let wishes = Wishes { namespace: Some(namespace.clone()), ..plan.wishes.clone() };
    let plan = Plan { wishes, ..plan.clone() };
    let account = plan.wishes.service_account.as_deref().unwrap_or(access::ACCOUNT);
    let access::Access { account, role, binding } = access::of(account, namespace);
    see_to(client, namespace, &account).await?;
    see_to::<Role>(client, namespace, &role).await?;
    see_to::<RoleBinding>(client, namespace, &binding).await?;
    let job = launcher::job(&plan)?;
    let name = job.name_any();
    let jobs: Api<Job> = Api::namespaced(client.clone(), namespace);
    let launched = Launched { namespace: namespace.clone(), job: name, context: plan.wishes.context };
    match jobs.create(&PostParams::default(), &job).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Err(Error::Launched(launched)),
        done => {
            let doing = format!("cannot create the Job {}", launched.job);
            done.map_err(Error::of(doing, namespace)).map(|_| launched)
        }
    }
}

/// Creates an object that is not there.
async fn see_to<T>(client: &Client, namespace: &str, object: &T) -> Result<(), Error>
where
    T: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + std::fmt::Debug,
    T: Serialize + DeserializeOwned,
{
    let (api, name): (Api<T>, String) = (Api::namespaced(client.clone(), namespace), object.name_any());
    let kind = T::kind(&());
    // Who may not look at it may still have been given it.
    if !matches!(api.get_opt(&name).await, Ok(None)) {
        return Ok(());
    }
    match api.create(&PostParams::default(), object).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        done => done
            .map(drop)
            .map_err(Error::of(format!("cannot create the {kind} {name} of launchers"), namespace)),
    }
}

/// A launched run, as those see it who come later.
pub struct Follower {
    jobs: Api<Job>,
    pods: Api<Pod>,
    run: Launched,
    /// The launcher's pod, and how many bytes of what it has said are printed.
    printed: (String, usize),
    /// Takes for what that pod waits, whenever that changes.
    say: Box<dyn Fn(&str) + Send>,
    told: Option<String>,
}

impl Follower {
    /// Of this run, in its own namespace.
    pub fn new(client: Client, run: &Launched) -> Self {
        Self {
            jobs: Api::namespaced(client.clone(), &run.namespace),
            pods: Api::namespaced(client, &run.namespace),
            run: run.clone(),
            printed: (String::new(), 0),
            say: Box::new(|_| ()),
            told: None,
        }
    }

    /// Has `say` hear for what the launcher's pod waits, whenever that changes.
    pub fn telling(mut self, say: impl Fn(&str) + Send + 'static) -> Self {
        self.say = Box::new(say);
        self
    }

    /// Writes what the run has said and goes on saying, to its end; its exit code.
    ///
    /// # Errors
    /// When there is no such run, or it cannot be looked at.
    pub async fn follow(&mut self, output: &mut (impl Write + Send)) -> Result<i32, Error> {
        let mut was_there = false;
        loop {
            let job = match self.job().await {
                // Whoever deleted it asked for its end.
                Err(Error::NoRun(_)) if was_there => return Ok(ASKED_TO_END),
                job => job?,
            };
            was_there = true;
            let is_over = has_ended(&job);
            self.print(output).await?;
            if is_over {
                return Ok(self.code(&job).await);
            }
            sleep(LOOK).await;
        }
    }

    /// Writes what the run has said since the last time.
    ///
    /// # Errors
    /// When there is no such run, or what it has said cannot be read or written.
    pub async fn print(&mut self, output: &mut (impl Write + Send)) -> Result<(), Error> {
        let Some(pod) = self.launcher().await? else {
            // It has none yet, or none any more.
            return self.job().await.map(drop);
        };
        let name = pod.name_any();
        if self.printed.0 != name {
            self.printed = (name.clone(), 0);
        }
        if let Standing::Waits { why: why @ Some(_), .. } = state::of(&pod)
            && why != self.told
        {
            (self.say)(&format!("{name} waits: {}", why.as_deref().unwrap_or_default()));
            self.told = why;
        }
        // A container that has not begun has said nothing.
        let said = self.pods.logs(&name, &LogParams::default()).await.unwrap_or_default();
        let new = said.get(self.printed.1..).unwrap_or_default();
        let written = output.write_all(new.as_bytes()).and_then(|()| output.flush());
        self.printed.1 = said.len().max(self.printed.1);
        match written {
            // Whoever read it has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => {
                written.map_err(|source| Error::System { doing: "cannot write what the run says", source })
            }
        }
    }

    /// Asks the run to come to its end, and waits until nothing of it is left.
    ///
    /// # Errors
    /// When there is no such run, it must not be deleted, or it does not go away.
    pub async fn stop(&self) -> Result<(), Error> {
        let job = self.job().await?;
        let spec = job.spec.and_then(|spec| spec.template.spec);
        let grace = spec.and_then(|spec| spec.termination_grace_period_seconds).unwrap_or(GRACE);
        let grace = Duration::from_secs(grace.try_into().unwrap_or_default());
        let doing = format!("cannot delete the Job {}", self.run.job);
        // In the foreground its nodes' pods would go before it, and a run that loses them fails.
        let deleted = self.jobs.delete(&self.run.job, &DeleteParams::background()).await;
        deleted.map_err(Error::of(doing, &self.run.namespace))?;
        let mut waited = Duration::ZERO;
        while self.launcher().await?.is_some() {
            if waited > grace + BEYOND_GRACE {
                return Err(Error::Left(format!("those of the Job {}", self.run.job)));
            }
            sleep(LOOK).await;
            waited += LOOK;
        }
        Ok(())
    }

    async fn job(&self) -> Result<Job, Error> {
        let job = self.jobs.get_opt(&self.run.job).await.map_err(self.looking())?;
        job.ok_or_else(|| Error::NoRun(self.run.clone()))
    }

    /// The pod of the launcher: the last one where it was started again.
    async fn launcher(&self) -> Result<Option<Pod>, Error> {
        let of_job = ListParams::default().labels(&format!("{OF_JOB}={}", self.run.job));
        let pods = self.pods.list(&of_job).await.map_err(self.looking())?;
        Ok(pods.items.into_iter().max_by_key(|pod| pod.creation_timestamp()))
    }

    /// With which code a run that is over ended.
    async fn code(&self, job: &Job) -> i32 {
        if job.status.as_ref().is_some_and(|status| status.succeeded.unwrap_or_default() > 0) {
            return 0;
        }
        let pod = self.launcher().await.ok().flatten();
        let containers = pod.and_then(|pod| pod.status?.container_statuses);
        let state = containers.and_then(|all| all.into_iter().next()?.state?.terminated);
        state.map_or(1, |ended| ended.exit_code.max(1))
    }

    fn looking(&self) -> impl FnOnce(kube::Error) -> Error {
        Error::of(format!("cannot look at {}", self.run), &self.run.namespace)
    }
}

/// Whether a Job is over, one way or the other.
fn has_ended(job: &Job) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    let is_end = |kind: &str| kind == "Complete" || kind == "Failed";
    conditions.is_some_and(|all| all.iter().any(|one| is_end(&one.type_) && one.status == "True"))
}
