//! The command `syncline-kubernetes`: what launchers start to have nodes in pods, and what prints the rights that they need.

use std::process::ExitCode;
use std::{env, fs, io};

use clap::{Parser, Subcommand};
use serde::de::DeserializeOwned;
use serde_json::json;
use syncline_kubernetes::cluster::launched::{self, Follower};
use syncline_kubernetes::cluster::{Error, access, carry, connection, hold, launcher};
use syncline_kubernetes::launched::Launched;
use syncline_kubernetes::order::{Claim, END, End, ORDER, Order, Plan};
use syncline_kubernetes::wishes::Wishes;

/// Pods for programs that are launched with `--on kubernetes`
///
/// Programs find it beside their own binary or on the path, and start it themselves; what is for people is `access`.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the least rights that a launcher needs, and the account that has them
    ///
    /// Example:
    ///   syncline-kubernetes access --namespace ml | kubectl apply -f -
    #[command(verbatim_doc_comment)]
    Access {
        /// The namespace in which programs are to run
        #[arg(long, default_value = "default")]
        namespace: String,
        /// The account of launchers that run in the cluster
        #[arg(long, default_value = access::ACCOUNT)]
        service_account: String,
        /// Print the objects as one JSON list
        #[arg(long)]
        json: bool,
    },
    /// Hold a run for its launcher
    #[command(hide = true)]
    Hold,
    /// Carry a node for its launcher
    #[command(hide = true)]
    Carry {
        /// Whom: for those who look at lists of processes
        node: String,
    },
    /// Print what the cluster is given to launch a program itself
    #[command(hide = true)]
    Manifest,
    /// Have the cluster launch a program itself
    #[command(hide = true)]
    Launch,
    /// Follow a run that the cluster has launched to its end
    #[command(hide = true)]
    Attach {
        /// Which
        run: Launched,
    },
    /// Print what such a run has said
    #[command(hide = true)]
    Logs {
        /// Which
        run: Launched,
        /// Go on to its end
        #[arg(long)]
        follow: bool,
    },
    /// Ask such a run to come to its end
    #[command(hide = true)]
    Stop {
        /// Which
        run: Launched,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Access { namespace, service_account, json } => {
            print!("{}", access_document(&service_account, &namespace, json));
            Ok(0)
        }
        Command::Hold => hold_run().await.map(|()| 0),
        Command::Carry { .. } => carry_node().await,
        Command::Manifest => order::<Plan>().and_then(|plan| launcher::manifest(&plan)).map(|text| {
            print!("{text}");
            0
        }),
        Command::Launch => launch().await.map(|()| 0),
        Command::Attach { run } => match follower(&run).await {
            Ok(mut follower) => follower.follow(&mut io::stdout()).await,
            Err(error) => Err(error),
        },
        Command::Logs { run, follow } => logs(&run, follow).await.map(|()| 0),
        Command::Stop { run } => stop(&run).await.map(|()| 0),
    };
    let code = done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        1
    });
    // A thread may still read the standard input, which nobody waits for.
    std::process::exit(code)
}

fn access_document(account: &str, namespace: &str, as_json: bool) -> String {
    if !as_json {
        return launcher::access_text(account, namespace);
    }
    let access::Access { account, role, binding } = access::of(account, namespace);
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [account, role, binding] });
    format!("{list:#}\n")
}

/// Has the cluster launch the plan, and prints the run's name.
async fn launch() -> Result<(), Error> {
    let plan = order::<Plan>()?;
    let connection = connection::open(&plan.wishes).await?;
    println!("{}", launched::launch(&connection, &plan).await?);
    Ok(())
}

async fn follower(run: &Launched) -> Result<Follower, Error> {
    let (namespace, context) = (Some(run.namespace.clone()), run.context.clone());
    let connection = connection::open(&Wishes { namespace, context, ..Wishes::default() }).await?;
    Ok(Follower::new(connection.client, run).telling(|line| eprintln!("note: {line}")))
}

async fn logs(run: &Launched, follow: bool) -> Result<(), Error> {
    let mut follower = follower(run).await?;
    match follow {
        true => follower.follow(&mut io::stdout()).await.map(drop),
        false => follower.print(&mut io::stdout()).await,
    }
}

async fn stop(run: &Launched) -> Result<(), Error> {
    follower(run).await?.stop().await?;
    println!("{run}: stopped");
    Ok(())
}

async fn hold_run() -> Result<(), Error> {
    hold::hold(&order::<Claim>()?).await
}

/// Carries the node of the order, writes down how it ended, and ends with its code.
async fn carry_node() -> Result<i32, Error> {
    let end = carried().await;
    let written = end.as_ref().map_or_else(|error| End::NeverStarted(error.to_string()), Clone::clone);
    if let (Some(path), Ok(text)) = (env::var_os(END), serde_json::to_string(&written)) {
        // A launcher that is gone has taken the folder with it.
        let _ = fs::write(path, text);
    }
    Ok(match end? {
        End::Code(code) => code,
        _ => 1,
    })
}

async fn carried() -> Result<End, Error> {
    let order: Order = order()?;
    let connection = connection::open(&order.wishes).await?;
    let leash = carry::leash(tokio::io::stdin());
    let carrier = carry::Carrier::new(connection.client, &order, |line| eprintln!("{line}"));
    carrier.carry(&order, leash, tokio::io::stdout(), tokio::io::stderr()).await
}

/// What the launcher asks for.
fn order<T: DeserializeOwned>() -> Result<T, Error> {
    let text = env::var(ORDER).map_err(|_| {
        Error::Order(format!("{ORDER} is not set; this part of the command is for launchers"))
    })?;
    serde_json::from_str(&text).map_err(|error| Error::Order(error.to_string()))
}
