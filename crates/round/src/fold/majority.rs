//! The answer that most of a group gave, bit for bit, where its members do the same work and some may lie (DRACO: Chen et al.,
//! arXiv 1803.09877).

/// Those of `answers` that agree with each other and are at least so `many`, in order; nothing where no so many agree. Of 2 s + 1 answers
/// with `many` = s + 1 that is what was right, whatever s of them say.
///
/// ```
/// use syncline_round::fold::majority;
///
/// assert_eq!(majority(&[7, 3, 7], 2, |a, b| a == b), Some(vec![0, 2]));
/// assert_eq!(majority(&[7, 3, 8], 2, |a, b| a == b), None);
/// ```
pub fn majority<T>(answers: &[T], many: usize, same: impl Fn(&T, &T) -> bool) -> Option<Vec<usize>> {
    let agreeing = |answer: &T| -> Vec<usize> {
        let all = answers.iter().enumerate();
        all.filter(|(_, other)| same(answer, other)).map(|(index, _)| index).collect()
    };
    answers.iter().map(agreeing).find(|agreeing| agreeing.len() >= many)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All ways in which groups of 1, 3 and 5 can answer with up to four different answers, of which 0 is right.
    #[test]
    fn what_is_right_wins_against_any_liars_that_are_fewer() {
        for liars in 0..=2 {
            let size = 2 * liars + 1;
            for ways in 0..4usize.pow(size as u32) {
                let answers: Vec<usize> =
                    (0..size).map(|member| ways / 4usize.pow(member as u32) % 4).collect();
                let right: Vec<usize> = (0..size).filter(|&member| answers[member] == 0).collect();
                let found = majority(&answers, liars + 1, usize::eq);
                if size - right.len() <= liars {
                    assert_eq!(found, Some(right), "{answers:?}");
                } else if let Some(found) = found {
                    assert!(
                        found.len() > liars
                            && found.iter().all(|&member| answers[member] == answers[found[0]])
                    );
                }
            }
        }
    }
}
