//! One cacher and nothing else, in a crate of its own: in a crate of many programs the compiler knows the parts of the type of a call before it
//! comes to the whole, and sees nothing of how deep it is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use syncline_program::ready::Caching;
use syncline_program::{Executor, Program, launch};
use syncline_wire::service;

#[service]
trait Model {
    async fn parameter(&self, at: usize) -> f32;
}

struct Ones;

#[service]
impl Model for Ones {
    async fn parameter(&self, _: usize) -> f32 {
        1.0
    }
}

#[test]
fn a_program_with_a_cacher_is_no_deeper_than_the_compiler_goes() {
    let mut program = Program::new("cached");
    let model = program.service("model", |_| Ok(Ones));
    let cached = program.cacher("cache", &model, Caching::default());
    let program = program.driver(async move |ctx| Ok(cached.client(&ctx).parameter(7).await?));
    assert_eq!(launch(program, Executor::threads()).unwrap().wait().unwrap(), 1.0);
}
