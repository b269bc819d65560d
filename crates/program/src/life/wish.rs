//! How many nodes of a group that grows and shrinks are wished to be there: by a person, a script, or a program.
//!
//! A wish is heard by the driver, which alone decides what becomes of it: only it knows when a node can be spared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, Label};

/// So many nodes of a group are wished to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Which wish for the group it is; that with which the program began is 0.
    pub number: u64,
    /// How many nodes.
    pub size: usize,
}

/// The last wish for each group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes(BTreeMap<Label, Group>);

#[derive(Clone, Copy, Debug)]
struct Group {
    /// How many nodes it has.
    most: usize,
    wish: Wish,
}

impl Wishes {
    /// Groups of so many nodes, of which so many are there at the start.
    pub(crate) fn new(groups: impl IntoIterator<Item = (Label, usize, usize)>) -> Self {
        let begin = |(label, most, size)| (label, Group { most, wish: Wish { number: 0, size } });
        Self(groups.into_iter().map(begin).collect())
    }

    /// The last one for a group; nothing for one that neither grows nor shrinks.
    pub(crate) fn get(&self, label: &str) -> Option<Wish> {
        self.0.iter().find(|(known, _)| known.as_str() == label).map(|(_, group)| group.wish)
    }

    /// Takes a wish in; the one before.
    ///
    /// # Errors
    /// [`Error::Size`] where that cannot be.
    pub(crate) fn wish(&mut self, label: &str, size: usize) -> Result<Wish, Error> {
        let refuse = |why: String| Error::Size { label: label.to_owned(), size, why };
        let Some((_, group)) = self.0.iter_mut().find(|(known, _)| known.as_str() == label) else {
            return Err(refuse("it has the nodes that it began with, to the end".to_owned()));
        };
        if size == 0 || size > group.most {
            return Err(refuse(format!("it may have from 1 to {}", group.most)));
        }
        let next = Wish { number: group.wish.number + 1, size };
        Ok(std::mem::replace(&mut group.wish, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_for_a_group_that_grows_and_within_its_size() {
        let mut wishes = Wishes::new([(Label::new("worker").unwrap(), 8, 4)]);
        assert_eq!(wishes.get("worker"), Some(Wish { number: 0, size: 4 }));
        assert_eq!(wishes.wish("worker", 6).unwrap(), Wish { number: 0, size: 4 });
        // The same again is another wish: whoever was lost since may be meant.
        assert_eq!(wishes.wish("worker", 6).unwrap(), Wish { number: 1, size: 6 });
        assert_eq!(wishes.get("worker"), Some(Wish { number: 2, size: 6 }));
        for (label, size, said) in
            [("worker", 9, "from 1 to 8"), ("worker", 0, "from 1"), ("server", 1, "began with")]
        {
            assert!(wishes.wish(label, size).unwrap_err().to_string().contains(said));
        }
        assert_eq!(wishes.get("server"), None);
    }
}
