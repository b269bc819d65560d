//! How what several callers sent becomes one batch, and what a batch yields becomes their answers.
//!
//! Numbers become a tensor, tensors of one shape get a new first axis, tuples and maps are stacked element by element, text
//! becomes a list.

use super::any::each;
use crate::{AnyTensor, Element, Shape, Tensor};
use half::{bf16, f16};
use std::collections::BTreeMap;

/// A value of which many can be stacked into one batch.
///
/// ```
/// use syncline_wire::{Stack, Tensor};
/// let rows = vec![Tensor::from(vec![1.0_f32, 2.0]), Tensor::from(vec![3.0, 4.0])];
/// let batch = Stack::stack(rows)?;
/// assert_eq!(batch.shape()[..], [2, 2]);
/// let rows: Vec<Tensor<f32>> = Stack::unstack(batch)?;
/// assert_eq!(rows[1][..], [3.0, 4.0]);
/// # Ok::<(), String>(())
/// ```
pub trait Stack: Sized + Send + 'static {
    /// Many of them.
    type Batch: Send + 'static;

    /// Stacks them; the text says what does not fit together.
    fn stack(members: Vec<Self>) -> Result<Self::Batch, String>;

    /// Takes a batch apart; the text says why it is none.
    fn unstack(batch: Self::Batch) -> Result<Vec<Self>, String>;
}

macro_rules! stack_numbers {
    ($($type:ty),*) => {$(
        impl Stack for $type {
            type Batch = Tensor<$type>;

            fn stack(members: Vec<Self>) -> Result<Self::Batch, String> {
                Ok(Tensor::from(members))
            }

            fn unstack(batch: Self::Batch) -> Result<Vec<Self>, String> {
                match batch.shape()[..] {
                    [_] => Ok(batch.into_vec()),
                    _ => Err(format!("a batch of numbers has one axis, this one is {}", batch.shape())),
                }
            }
        }
    )*};
}

stack_numbers!(f32, f64, f16, bf16, i8, i16, i32, i64, u8, u16, u32, u64, bool);

macro_rules! stack_in_lists {
    ($($type:ty),*) => {$(
        impl Stack for $type {
            type Batch = Vec<$type>;

            fn stack(members: Vec<Self>) -> Result<Self::Batch, String> {
                Ok(members)
            }

            fn unstack(batch: Self::Batch) -> Result<Vec<Self>, String> {
                Ok(batch)
            }
        }
    )*};
}

stack_in_lists!(String, ());

impl<T: Element> Stack for Tensor<T> {
    type Batch = Tensor<T>;

    fn stack(members: Vec<Self>) -> Result<Self, String> {
        let first = members.first().ok_or("an empty batch")?.shape().clone();
        if let Some(other) = members.iter().find(|member| *member.shape() != first) {
            return Err(format!("tensors of different shapes: {first} and {}", other.shape()));
        }
        let axes = [&[members.len()], &first[..]].concat();
        let values: Vec<T> = members.iter().flat_map(|member| member.iter().copied()).collect();
        Tensor::new(axes, values).map_err(|error| error.to_string())
    }

    fn unstack(batch: Self) -> Result<Vec<Self>, String> {
        let [count, rest @ ..] = &batch.shape()[..] else {
            return Err("a batch of tensors has a first axis, this one is a scalar".to_owned());
        };
        let (count, rest) = (*count, Shape::from(rest));
        let each = rest.elements().unwrap_or(0);
        let row = |at: usize| batch.slice(at * each..(at + 1) * each).reshaped(rest.clone());
        (0..count).map(|at| row(at).map_err(|error| error.to_string())).collect()
    }
}

impl Stack for AnyTensor {
    type Batch = AnyTensor;

    fn stack(members: Vec<Self>) -> Result<Self, String> {
        let first = members.first().ok_or("an empty batch")?.clone();
        each!(first, tensor => stack_like(&tensor, members).map(AnyTensor::from))
    }

    fn unstack(batch: Self) -> Result<Vec<Self>, String> {
        each!(batch, tensor => unstack_erased(tensor))
    }
}

fn unstack_erased<T: Element>(batch: Tensor<T>) -> Result<Vec<AnyTensor>, String> {
    Ok(<Tensor<T> as Stack>::unstack(batch)?.into_iter().map(T::erase).collect())
}

/// Stacks those that must all have the kind of the first.
fn stack_like<T: Element>(_first: &Tensor<T>, members: Vec<AnyTensor>) -> Result<Tensor<T>, String> {
    let mut tensors = Vec::with_capacity(members.len());
    for member in members {
        let dtype = member.dtype();
        let tensor = T::restore(member);
        tensors.push(tensor.ok_or_else(|| format!("tensors of different kinds: {} and {dtype}", T::DTYPE))?);
    }
    Stack::stack(tensors)
}

impl<K: Ord + Clone + Send + 'static, V: Stack> Stack for BTreeMap<K, V> {
    type Batch = BTreeMap<K, V::Batch>;

    fn stack(members: Vec<Self>) -> Result<Self::Batch, String> {
        let count = members.len();
        let mut columns = BTreeMap::<K, Vec<V>>::new();
        for member in members {
            for (key, value) in member {
                columns.entry(key).or_default().push(value);
            }
        }
        if columns.values().any(|column| column.len() != count) {
            return Err("maps of different keys".to_owned());
        }
        columns.into_iter().map(|(key, column)| Ok((key, V::stack(column)?))).collect()
    }

    fn unstack(batch: Self::Batch) -> Result<Vec<Self>, String> {
        let mut rows: Option<Vec<Self>> = None;
        for (key, column) in batch {
            let column = V::unstack(column)?;
            let rows = rows.get_or_insert_with(|| column.iter().map(|_| BTreeMap::new()).collect());
            if rows.len() != column.len() {
                return Err(format!("parts of different lengths: {} and {}", rows.len(), column.len()));
            }
            for (row, value) in rows.iter_mut().zip(column) {
                row.insert(key.clone(), value);
            }
        }
        Ok(rows.unwrap_or_default())
    }
}

macro_rules! stack_tuples {
    ($(($($name:ident $column:ident),+);)*) => {$(
        impl<$($name: Stack),+> Stack for ($($name,)+) {
            type Batch = ($($name::Batch,)+);

            fn stack(members: Vec<Self>) -> Result<Self::Batch, String> {
                $(let mut $column = Vec::with_capacity(members.len());)+
                for member in members {
                    #[allow(non_snake_case, reason = "named as the types")]
                    let ($($name,)+) = member;
                    $($column.push($name);)+
                }
                Ok(($($name::stack($column)?,)+))
            }

            fn unstack(batch: Self::Batch) -> Result<Vec<Self>, String> {
                #[allow(non_snake_case, reason = "named as the types")]
                let ($($name,)+) = batch;
                $(let $column = $name::unstack($name)?;)+
                let lengths = [$($column.len()),+];
                if lengths.iter().any(|length| *length != lengths[0]) {
                    return Err(format!("parts of different lengths: {lengths:?}"));
                }
                $(let mut $column = $column.into_iter();)+
                let mut rows = Vec::with_capacity(lengths[0]);
                while let ($(Some($column),)+) = ($($column.next(),)+) {
                    rows.push(($($column,)+));
                }
                Ok(rows)
            }
        }
    )*};
}

stack_tuples! {
    (A a);
    (A a, B b);
    (A a, B b, C c);
    (A a, B b, C c, D d);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d8_tuples_maps_and_text_are_stacked_element_by_element() {
        let row = |x: f32| (x, Tensor::scalar(x as i64), format!("{x}"));
        let (numbers, tensors, texts) = Stack::stack(vec![row(1.0), row(2.0)]).unwrap();
        assert_eq!(numbers[..], [1.0, 2.0]);
        assert_eq!((&tensors[..], &tensors.shape()[..]), (&[1, 2][..], &[2][..]));
        assert_eq!(texts, ["1", "2"]);
        let back: Vec<(f32, Tensor<i64>, String)> = Stack::unstack((numbers, tensors, texts)).unwrap();
        assert_eq!(back[1], row(2.0));
        let map = |key: &str| BTreeMap::from([(key.to_owned(), 1_u8)]);
        assert_eq!(Stack::stack(vec![map("a"), map("a")]).unwrap()["a"][..], [1, 1]);
        assert!(<BTreeMap<String, u8>>::stack(vec![map("a"), map("b")]).is_err());
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        let shapes = Stack::stack(vec![Tensor::from(vec![1, 2]), Tensor::from(vec![1])]);
        assert_eq!(shapes.unwrap_err(), "tensors of different shapes: 2 and 1");
        let kinds = [Tensor::scalar(1.0_f32).into(), Tensor::scalar(1_u8).into()];
        let kinds = AnyTensor::stack(kinds.to_vec()).unwrap_err();
        assert_eq!(kinds, "tensors of different kinds: f32 and u8");
        let uneven = <(u8, u8)>::unstack((vec![1, 2].into(), vec![1].into()));
        assert!(uneven.unwrap_err().contains("[2, 1]"));
    }
}
