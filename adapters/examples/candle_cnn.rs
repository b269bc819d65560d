//! A small convolutional network of candle, trained on generated images by four workers.

#[path = "../tests/images/mod.rs"]
mod images;

use candle_core::Tensor;
use candle_nn::{Conv2dConfig, Module, VarBuilder, conv2d, linear};
use images::{CLASSES, SIDE, stripes};
use syncline_adapters::Candle;
use syncline_learn::CrossEntropy;
use syncline_paramserv::ParamServ;
use syncline_program::Executor;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let network = Candle::new([1, SIDE, SIDE], |variables: VarBuilder<'_>| {
        let near = Conv2dConfig { padding: 1, ..Conv2dConfig::default() };
        let first = conv2d(1, 8, 3, near, variables.pp("first"))?;
        let second = conv2d(8, 16, 3, near, variables.pp("second"))?;
        let out = linear(16 * (SIDE / 4) * (SIDE / 4), CLASSES, variables.pp("out"))?;
        Ok(move |images: &Tensor| {
            let images = first.forward(images)?.relu()?.max_pool2d(2)?;
            let images = second.forward(&images)?.relu()?.max_pool2d(2)?;
            out.forward(&images.flatten_from(1)?)
        })
    })?;
    let model = network.under(CrossEntropy)?;
    let layout = model.layout().clone();

    let (train, held_out) = stripes(1500, 7)?.split(0.2, 7)?;
    let run = ParamServ::new(model, train)
        .validation(held_out)
        .workers(4)
        .batch(16)
        .epochs(4)
        .on_progress(|progress| eprintln!("{} samples", progress.samples))
        .train(Executor::from_args()?)?;
    println!("{}", run.report());

    // What candle itself, or Python, opens.
    let path = std::env::temp_dir().join("stripes.safetensors");
    candle_core::safetensors::save(&Candle::tensors(&layout, &run.parameters)?, &path)?;
    println!("{} tensors are in {}", layout.tensors().len(), path.display());
    Ok(())
}
