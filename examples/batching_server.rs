//! A batching server: what its clients ask is gathered, up to a number and for a while, and computed with all at once.

use syncline::prelude::*;

/// What knows square roots.
#[service]
trait Model {
    /// The root of a number, for whoever asks; the model sees the numbers of up to four callers as one tensor.
    #[batched(size = 4, timeout = "20ms")]
    async fn root(&self, number: f64) -> f64;
}

struct Roots;

#[service]
impl Model for Roots {
    async fn root(&self, numbers: Tensor<f64>) -> Tensor<f64> {
        println!("a batch of {}", numbers.len());
        numbers.iter().map(|number| number.sqrt()).collect::<Vec<_>>().into()
    }
}

fn main() -> Result<(), Error> {
    enrol();
    let mut program = Program::new("batching");
    let model = program.group("model", 1).serve(|_| Ok(Roots));
    let sums = program.group("client", 8).uses(&model).run(async move |ctx| {
        let model = model[0].connect(&ctx).await?;
        let mut sum = 0.0;
        for number in 1..=10_u32 {
            sum += model.root(f64::from(number * number)).await?;
        }
        Ok(sum)
    });
    let program = program.driver(async move |ctx| Ok(sums.all(&ctx).await?));
    let sums = launch(program, Executor::from_args()?)?.wait()?;
    println!("sums {sums:?}");
    Ok(())
}
