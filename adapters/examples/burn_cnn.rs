//! A small convolutional network of burn, trained on generated images by four workers.

#[path = "../tests/images/mod.rs"]
mod images;

use burn_core as burn;
use burn_core::module::Module;
use burn_core::tensor::{Device, Tensor, activation::relu};
use burn_nn::{
    Linear, LinearConfig, PaddingConfig2d,
    conv::{Conv2d, Conv2dConfig},
    pool::{MaxPool2d, MaxPool2dConfig},
};
use images::{CLASSES, SIDE, stripes};
use syncline_adapters::Burn;
use syncline_learn::CrossEntropy;
use syncline_paramserv::ParamServ;
use syncline_program::Executor;

#[derive(Module, Debug)]
struct Stripes {
    first: Conv2d,
    second: Conv2d,
    pool: MaxPool2d,
    out: Linear,
}

impl Stripes {
    fn new(device: &Device) -> Self {
        let near = |from, to| Conv2dConfig::new([from, to], [3, 3]).with_padding(PaddingConfig2d::Same);
        Self {
            first: near(1, 8).init(device),
            second: near(8, 16).init(device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            out: LinearConfig::new(16 * (SIDE / 4) * (SIDE / 4), CLASSES).init(device),
        }
    }

    fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        let images = rows.reshape([-1, 1, SIDE as i32, SIDE as i32]);
        let images = self.pool.forward(relu(self.first.forward(images)));
        let images = self.pool.forward(relu(self.second.forward(images)));
        self.out.forward(images.flatten(1, 3))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let network = || Burn::new(Device::flex(), Stripes::new, SIDE * SIDE, Stripes::forward);
    let (train, held_out) = stripes(1500, 7)?.split(0.2, 7)?;
    let run = ParamServ::new(network().under(CrossEntropy)?, train)
        .validation(held_out)
        .workers(4)
        .batch(16)
        .epochs(4)
        .on_progress(|progress| eprintln!("{} samples", progress.samples))
        .train(Executor::from_args()?)?;
    println!("{}", run.report());

    // The trained module, for burn to save or to use.
    let module = network().module(&run.parameters)?.valid();
    let blank = Tensor::<2>::zeros([1, SIDE * SIDE], &Device::flex());
    println!("of a blank image it says {}", module.forward(blank));
    Ok(())
}
