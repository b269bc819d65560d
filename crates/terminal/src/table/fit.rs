//! How wide each column is on a screen, and which are left out.

use super::{Column, GUTTER};
use crate::width;

/// What the table looks like on one screen.
pub(super) struct Fit {
    /// The width of each column; none is left out.
    pub(super) widths: Vec<Option<usize>>,
    /// Columns that are left out, in their order in the table.
    pub(super) dropped: Vec<usize>,
}

impl Fit {
    /// Fits columns whose fields are `natural` wide into `room`.
    pub(super) fn new(columns: &[Column], natural: &[usize], room: Option<usize>) -> Self {
        let mut kept: Vec<bool> = vec![true; columns.len()];
        let whole: Vec<usize> =
            columns.iter().zip(natural).map(|(column, most)| width(&column.title).max(*most)).collect();
        loop {
            let widths = widths(columns, natural, &whole, &kept, room);
            let fits = room.is_none_or(|room| total(&widths) <= room);
            let next = if fits { None } else { next_to_go(columns, &kept) };
            match next {
                Some(next) => kept[next] = false,
                None => {
                    let widths =
                        if fits { widths } else { forced(columns, widths, room.unwrap_or(usize::MAX)) };
                    let dropped = (0..columns.len()).filter(|at| widths[*at].is_none()).collect();
                    return Self { widths, dropped };
                }
            }
        }
    }
}

/// The widths of the columns that are kept, as large as the room allows: whole, with broken titles, or shortened.
fn widths(
    columns: &[Column],
    natural: &[usize],
    whole: &[usize],
    kept: &[bool],
    room: Option<usize>,
) -> Vec<Option<usize>> {
    let only_kept = |widths: &[usize]| -> Vec<Option<usize>> {
        widths.iter().zip(kept).map(|(width, kept)| kept.then_some(*width)).collect()
    };
    let mut widths = only_kept(whole);
    let Some(room) = room.filter(|room| total(&widths) > *room) else { return widths };
    // One title after the other is broken, the one that wins most first.
    let broken: Vec<usize> =
        columns.iter().zip(natural).map(|(column, most)| longest_word(&column.title).max(*most)).collect();
    while total(&widths) > room {
        let gain = |at: &usize| widths[*at].map_or(0, |width| width - broken[*at]);
        match (0..columns.len()).max_by_key(gain).filter(|at| gain(at) > 0) {
            Some(at) => widths[at] = Some(broken[at]),
            None => break,
        }
    }
    // The widest that may be shortened gives way, column by column.
    while total(&widths) > room {
        let spare = |at: &usize| {
            Some((widths[*at]?, *at))
                .filter(|(width, at)| columns[*at].least.is_some_and(|least| *width > least))
        };
        match (0..columns.len()).filter_map(|at| spare(&at)).max() {
            Some((width, at)) => widths[at] = Some(width - 1),
            None => break,
        }
    }
    widths
}

/// The column that is left out next.
fn next_to_go(columns: &[Column], kept: &[bool]) -> Option<usize> {
    let left = columns.iter().enumerate().filter(|(at, _)| kept[*at]);
    left.filter_map(|(at, column)| Some((column.order?, usize::MAX - at, at))).min().map(|(_, _, at)| at)
}

/// What is kept must fit: the widest text is cut, and where even that is not enough the last columns go. Numbers are never
/// cut unless one alone is too wide, because the rest of a number is another number.
fn forced(columns: &[Column], mut widths: Vec<Option<usize>>, room: usize) -> Vec<Option<usize>> {
    const CUT: usize = 4;
    while total(&widths) > room {
        let alone = widths.iter().flatten().count() == 1;
        let may_be_cut = |at: &usize| alone || !columns[*at].is_number;
        let texts = (0..widths.len()).filter(may_be_cut);
        let widest = texts.filter_map(|at| Some((widths[at]?, at))).max();
        match widest {
            Some((width, at)) if width > CUT => widths[at] = Some(width - 1),
            _ => match widths.iter().rposition(Option::is_some) {
                Some(last) => widths[last] = None,
                None => break,
            },
        }
    }
    widths
}

fn total(widths: &[Option<usize>]) -> usize {
    let kept = widths.iter().flatten();
    let gutters = kept.clone().count().saturating_sub(1) * GUTTER;
    kept.sum::<usize>() + gutters
}

fn longest_word(title: &str) -> usize {
    title.split(' ').map(width).max().unwrap_or(0)
}
