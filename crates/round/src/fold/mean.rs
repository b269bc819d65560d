//! The mean, weighted by samples (FedAvg's fold). One bad answer moves it anywhere.

/// sum of samples x values over the sum of samples, in the order given.
///
/// # Panics
/// Without answers.
pub fn mean(answers: &[&[f64]], samples: &[f64]) -> Vec<f64> {
    // Equal models must average to themselves to the bit: the mean is walked to, not summed up, since v + w (x - v) = v for
    // x = v.
    let mut mean = answers[0].to_vec();
    let mut total = samples[0];
    for (answer, samples) in answers[1..].iter().zip(&samples[1..]) {
        total += samples;
        let share = samples / total;
        for (mean, value) in mean.iter_mut().zip(*answer) {
            *mean += share * (value - *mean);
        }
    }
    mean
}
