//! What is where in the flat vector of a built-in model: an affine layer after another, each `y = x W + b` with `W`
//! row-major, one row of weights for each input. Between the layers of a network lies `max(0, y)`.

use std::ops::Range;

use crate::ModelSpec;

/// One affine layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Inputs: rows of `W`.
    pub inputs: usize,
    /// Outputs: columns of `W`.
    pub outputs: usize,
    /// Where `W` is.
    pub weights: Range<usize>,
    /// Where `b` is.
    pub biases: Range<usize>,
}

impl ModelSpec {
    /// The layers of a model of this kind over so many features, for so many classes (0: a real target), from the
    /// features on.
    pub fn layers(&self, features: usize, classes: usize) -> Vec<Layer> {
        let hidden: &[usize] = match self {
            ModelSpec::Mlp(hidden) => hidden,
            _ => &[],
        };
        let outputs = match self {
            ModelSpec::Linear | ModelSpec::Logistic => 1,
            // Two classes are the two sides of one margin.
            ModelSpec::Svm if classes == 2 => 1,
            ModelSpec::Svm | ModelSpec::Softmax | ModelSpec::Mlp(_) => classes.max(1),
        };
        let sizes = [&[features], hidden, &[outputs]].concat();
        let mut end = 0;
        let layer = |pair: &[usize]| {
            let weights = end..end + pair[0] * pair[1];
            let biases = weights.end..weights.end + pair[1];
            end = biases.end;
            Layer { inputs: pair[0], outputs: pair[1], weights, biases }
        };
        sizes.windows(2).map(layer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_cover_the_parameters_of_every_model() {
        for (spec, classes) in [
            ("linear", 0),
            ("logistic", 2),
            ("softmax", 3),
            ("svm", 2),
            ("svm", 3),
            ("mlp:7,5", 3),
            ("mlp:7", 0),
        ] {
            let spec: ModelSpec = spec.parse().unwrap();
            let layers = spec.layers(4, classes);
            let parameters = spec.with_sizes(4, classes).unwrap().parameters();
            assert_eq!(layers.last().unwrap().biases.end, parameters, "{spec} of {classes}");
            assert_eq!((layers[0].inputs, layers[0].weights.start), (4, 0));
        }
    }
}
