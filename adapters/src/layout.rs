//! Which of the flat parameters are which tensor.

use std::ops::Range;

/// A tensor of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Its name in the network, such as `conv1.weight`.
    pub name: String,
    /// Its shape; empty for a single number.
    pub shape: Vec<usize>,
    /// Where its values are among the parameters, the last dimension running fastest.
    pub range: Range<usize>,
}

/// The tensors of a network, one after the other in the flat parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout(Vec<NamedTensor>);

impl Layout {
    /// Adds a tensor behind those that there are.
    pub(crate) fn push(&mut self, name: String, shape: Vec<usize>) {
        let start = self.parameters();
        let range = start..start + shape.iter().product::<usize>();
        self.0.push(NamedTensor { name, shape, range });
    }

    /// How many numbers all tensors have.
    pub fn parameters(&self) -> usize {
        self.0.last().map_or(0, |tensor| tensor.range.end)
    }

    /// The tensors.
    pub fn tensors(&self) -> &[NamedTensor] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_lie_one_after_the_other() {
        let mut layout = Layout::default();
        layout.push("weight".into(), vec![2, 3]);
        layout.push("scale".into(), vec![]);
        layout.push("bias".into(), vec![2]);
        let ranges: Vec<_> = layout.tensors().iter().map(|tensor| tensor.range.clone()).collect();
        assert_eq!((ranges, layout.parameters()), (vec![0..6, 6..7, 7..9], 9));
    }
}
