//! Everybody who is there takes part.

use crate::MemberSet;

pub(super) fn choose(present: &MemberSet, chosen: &mut MemberSet) {
    chosen.copy_from(present);
}
