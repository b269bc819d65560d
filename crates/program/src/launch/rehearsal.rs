//! What a launch would do, told without doing it.

use std::ffi::OsString;

use super::executor::Place;
use crate::engine::hosts::rehearsal::Company;
use crate::engine::processes::restart;
use crate::graph::program::Body;
use crate::life::member::Attendance;
use crate::{Error, Executor, Program};

/// On hosts: what [`launch`](crate::launch) would do with `program`, started with these arguments: by SSH which node would go
/// where and what would be run there, on Slurm what it would be asked for, on Kubernetes what `kubectl apply` takes to have the cluster
/// do it itself. No host is asked and nothing is started; the run's secret, which nodes are told by their standard input, is not part of it. Nothing
/// for other executors.
///
/// ```
/// use syncline_program::{Executor, Program, rehearse};
///
/// let hosts = tempfile::NamedTempFile::new()?;
/// std::fs::write(hosts.path(), "127.0.0.1 slots=2\n")?;
/// let mut program = Program::new("greetings");
/// program.nodes("greeter", 2, async |_| Ok(println!("hello")));
/// let executor: Executor = format!("ssh:{}", hosts.path().display()).parse()?;
/// let told = rehearse(program, &executor, Vec::new())?.unwrap();
/// assert!(told.starts_with("127.0.0.1, 2 of 2 slots: greeter/0, greeter/1"), "{told}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// What a launch finds out before it asks anybody: a mistake made while building the program, a hosts file that is wrong, a
/// node for which no host has room.
pub fn rehearse<T: Send + 'static>(
    mut program: Program<T>,
    executor: &Executor,
    arguments: Vec<OsString>,
) -> Result<Option<String>, Error> {
    program.check()?;
    let Place::Hosts(site) = &executor.place else { return Ok(None) };
    site.rehearse(&company(&program, &restart::words_with(arguments))).map(Some)
}

/// The nodes of a program that do not stay with the launcher, started with these arguments.
pub(super) fn company<'a, T: Send + 'static>(
    program: &'a Program<T>,
    arguments: &'a [OsString],
) -> Company<'a> {
    let away = || program.units().into_iter().filter(|unit| !matches!(unit.body, Body::Here(_)));
    let resting = away().filter(|unit| unit.attendance == Attendance::Woken).map(|unit| unit.name).collect();
    let nodes = away().map(|unit| (unit.name, unit.resources)).collect();
    Company { program: program.name(), nodes, resting, arguments }
}
