//! Who takes part: a member by its number, the members of a fold, and sets of members.

use std::{fmt, ops::Deref};

use serde::{Deserialize, Serialize};

/// One that takes part: a worker, a client, or a group of them. Counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Member(u32);

impl Member {
    /// The highest index that a machine takes, so that a wrong number cannot ask for all memory.
    pub const MOST: u32 = (1 << 20) - 1;

    /// The member with this index.
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// Its index, from 0.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}", self.0)
    }
}

/// Members in ascending order, each once. One alone needs no memory of its own: it is the common case where nobody waits.
#[derive(Clone, Debug)]
pub struct Members(List);

#[derive(Clone, Debug)]
enum List {
    One([Member; 1]),
    Many(Vec<Member>),
}

impl Members {
    /// Nobody.
    pub const fn none() -> Self {
        Self(List::Many(Vec::new()))
    }

    /// Just this one.
    pub const fn one(member: Member) -> Self {
        Self(List::One([member]))
    }
}

impl Deref for Members {
    type Target = [Member];

    fn deref(&self) -> &[Member] {
        match &self.0 {
            List::One(one) => one,
            List::Many(many) => many,
        }
    }
}

impl PartialEq for Members {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Members {}

impl From<&MemberSet> for Members {
    fn from(set: &MemberSet) -> Self {
        // The length is known, which a filter of bits cannot tell by itself.
        let mut many = Vec::with_capacity(set.len());
        many.extend(set.iter());
        Self(List::Many(many))
    }
}

/// A set of members, a bit each: a round of a thousand members is listed in order without sorting.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct MemberSet {
    /// Without trailing zeros, so that equal sets are equal.
    words: Vec<u64>,
    len: usize,
}

impl MemberSet {
    /// How many they are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it is nobody.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the member is one of them.
    pub fn contains(&self, member: Member) -> bool {
        let (word, bit) = place(member);
        self.words.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// Adds a member; whether it was not in yet.
    pub fn insert(&mut self, member: Member) -> bool {
        let (word, bit) = place(member);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.len += usize::from(is_new);
        is_new
    }

    /// Takes a member out; whether it was in.
    pub fn remove(&mut self, member: Member) -> bool {
        let (word, bit) = place(member);
        let Some(bits) = self.words.get_mut(word).filter(|bits| **bits & bit != 0) else { return false };
        *bits &= !bit;
        self.len -= 1;
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
        true
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.words.clear();
        self.len = 0;
    }

    /// Makes it a copy of another, in its own memory.
    pub fn copy_from(&mut self, other: &Self) {
        self.words.clone_from(&other.words);
        self.len = other.len;
    }

    /// The members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Member> {
        (0u32..).step_by(64).zip(&self.words).flat_map(|(first, &bits)| Bits { first, bits })
    }
}

impl FromIterator<Member> for MemberSet {
    fn from_iter<I: IntoIterator<Item = Member>>(members: I) -> Self {
        let mut set = Self::default();
        members.into_iter().for_each(|member| {
            set.insert(member);
        });
        set
    }
}

/// The word of a member and its bit there.
fn place(member: Member) -> (usize, u64) {
    (member.index() / 64, 1 << (member.index() % 64))
}

/// The members of one word.
struct Bits {
    first: u32,
    bits: u64,
}

impl Iterator for Bits {
    type Item = Member;

    fn next(&mut self) -> Option<Member> {
        if self.bits == 0 {
            return None;
        }
        let member = Member(self.first + self.bits.trailing_zeros());
        self.bits &= self.bits - 1;
        Some(member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_lists_its_members_in_order_each_once() {
        let mut set: MemberSet = [200, 3, 64, 3, 63].map(Member::new).into_iter().collect();
        assert_eq!(set.iter().map(Member::index).collect::<Vec<_>>(), [3, 63, 64, 200]);
        assert_eq!((set.len(), Members::from(&set).len()), (4, 4));
        assert!(
            set.remove(Member::new(200)) && !set.remove(Member::new(200)) && !set.remove(Member::new(999))
        );
        let same: MemberSet = [63, 64, 3].map(Member::new).into_iter().collect();
        assert_eq!(set, same, "however they came about");
    }
}
