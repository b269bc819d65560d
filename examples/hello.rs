//! Hello: nodes that return something, and a driver that collects it.
//!
//! `cargo run --example hello -- --on processes` (or `threads`, or `sim`)

use syncline::prelude::*;

fn main() -> Result<(), Error> {
    enrol();
    let mut program = Program::new("hello");
    let greetings = program.group("greeter", 3).run(async |ctx| {
        println!("here is {}", ctx.name());
        Ok(format!("hello from {} of {}", ctx.rank() + 1, ctx.size()))
    });
    let program = program.driver(async move |ctx| Ok(greetings.all(&ctx).await?));
    for greeting in launch(program, Executor::from_args()?)?.wait()? {
        println!("{greeting}");
    }
    Ok(())
}
