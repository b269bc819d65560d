//! Names, each kept once and shortened, in a number that is bounded whatever a file invents.

use std::collections::HashMap;

/// Bytes of a name that are kept.
const LENGTH: usize = 400;

/// Different names that are kept; the others share one.
const COUNT: usize = 1 << 16;

/// Numbered names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    numbers: HashMap<Box<str>, u32>,
    list: Vec<Box<str>>,
}

impl Names {
    /// The number of a name.
    pub fn number(&mut self, name: &str) -> u32 {
        let name = shortened(name);
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        if self.list.len() >= COUNT {
            return COUNT as u32;
        }
        let number = self.list.len() as u32;
        self.list.push(name.into());
        self.numbers.insert(name.into(), number);
        number
    }

    /// The name of a number.
    pub fn get(&self, number: u32) -> &str {
        self.list.get(number as usize).map_or("(one of many names)", |name| name)
    }
}

/// The beginning of a name.
fn shortened(name: &str) -> &str {
    if name.len() <= LENGTH {
        return name;
    }
    let end = (0..=LENGTH).rev().find(|&at| name.is_char_boundary(at)).unwrap_or(0);
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_in_length_and_number() {
        let mut names = Names::default();
        let long = names.number(&"ä".repeat(1000));
        assert_eq!(names.get(long).len(), LENGTH);
        (0..2 * COUNT).for_each(|at| {
            names.number(&at.to_string());
        });
        let new = names.number("new");
        assert_eq!((names.list.len(), names.get(new)), (COUNT, "(one of many names)"));
        assert_eq!(names.number("7"), 8);
    }
}
