//! Generated images: stripes that run across, down or aslant, which no single pixel tells.

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use syncline_data::{Dataset, Dense, Features, Result, Targets};

/// Pixels of an image's side.
pub const SIDE: usize = 12;
/// Kinds of stripes.
pub const CLASSES: usize = 3;

/// So many images, drawn by a seed: stripes four pixels apart, wherever they begin, under noise.
///
/// # Errors
/// None: each image has all its pixels, and a label.
pub fn stripes(images: usize, seed: u64) -> Result<Dataset> {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..images {
        let label = generator.random_range(0..CLASSES);
        let begin = generator.random_range(0..4);
        for (y, x) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))) {
            let along = [y, x, x + y][label];
            let light = if (along + begin) % 4 < 2 { 1.0 } else { -1.0 };
            pixels.push(light + generator.random_range(-1.0..1.0f32));
        }
        labels.push(label as u32);
    }
    let names = ["across", "down", "aslant"].map(String::from).into();
    let features = Features::Dense(Dense::new(pixels, SIDE * SIDE)?);
    Dataset::new(features, Targets::Class { labels, names })
}
