//! The shape of a tensor: its length along each axis, row-major. No axes at all is a single number.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Axes at most.
pub(crate) const MAX_RANK: usize = 32;

/// Lengths along the axes.
///
/// ```
/// use syncline_wire::Shape;
/// let shape = Shape::from([2, 3]);
/// assert_eq!((shape.len(), shape.elements()), (2, Some(6)));
/// assert_eq!(Shape::from([]).elements(), Some(1)); // a single number
/// ```
#[derive(Clone)]
pub struct Shape(Axes);

/// One axis, the common case, needs no memory of its own.
#[derive(Clone)]
enum Axes {
    One(usize),
    Several(Arc<[usize]>),
}

impl Shape {
    /// How many elements a tensor of this shape has; `None` if that exceeds a `usize`.
    pub fn elements(&self) -> Option<usize> {
        self.iter().try_fold(1_usize, |product, &length| product.checked_mul(length))
    }
}

impl From<&[usize]> for Shape {
    fn from(axes: &[usize]) -> Self {
        match axes {
            [length] => Shape(Axes::One(*length)),
            axes => Shape(Axes::Several(axes.into())),
        }
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(axes: [usize; N]) -> Self {
        Shape::from(&axes[..])
    }
}

impl From<Vec<usize>> for Shape {
    fn from(axes: Vec<usize>) -> Self {
        Shape::from(&axes[..])
    }
}

impl From<usize> for Shape {
    fn from(length: usize) -> Self {
        Shape(Axes::One(length))
    }
}

impl Deref for Shape {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        match &self.0 {
            Axes::One(length) => std::slice::from_ref(length),
            Axes::Several(axes) => axes,
        }
    }
}

impl PartialEq for Shape {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Shape {}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// As people write it: `2x3`, and `scalar` for a single number.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("scalar");
        }
        for (at, length) in self.iter().enumerate() {
            write!(f, "{}{length}", if at == 0 { "" } else { "x" })?;
        }
        Ok(())
    }
}
