//! A program that stops itself: one node asks for the end, and the others learn of it in the four ways there are.

use std::time::Duration;

use syncline::prelude::*;

fn main() -> Result<(), Error> {
    enrol();
    let mut program = Program::new("stops-itself");
    program.node("waiter", async |ctx| {
        ctx.stopped().await;
        println!("waiter: told, and tidied up");
        Ok(())
    });
    program.node("looker", async |ctx| {
        while !ctx.stopped_within(Duration::from_millis(5)).await {}
        println!("looker: saw it");
        Ok(())
    });
    program.node("handler", async |ctx| {
        ctx.on_stop(|| println!("handler: called"));
        std::future::pending().await
    });
    program.node("careless", async |_| std::future::pending().await);
    program.node("stopper", async |ctx| {
        ctx.sleep(Duration::from_millis(50)).await;
        println!("stopper: enough");
        Ok(ctx.stop().await?)
    });
    launch(program, Executor::from_args()?)?.wait()?;
    println!("the end");
    Ok(())
}
