//! The vote of a code against liars (DRACO: Chen et al., arXiv 1803.09877): of each group that gradient counts which most of its workers
//! gave.
//!
//! - VOTE-1: what counts was given by a majority, bit for bit: it is right as long as no more lie in a group than the policy says.
//! - VOTE-2: who gave something else is told by number. Where no majority agrees the run ends, and says who is in that group.

use syncline_round::{Error, Member, Policy, Round, fold::majority};

use crate::{gradient::Gradient, protocol::ServerStatistics};

/// What counts of a round.
pub(super) struct Voted {
    /// One of each group, with a worker that gave it; without a vote those of all.
    pub gradients: Vec<(Member, Gradient)>,
    /// Who gave something else.
    pub outvoted: Vec<Member>,
    /// Samples of gradients that repeat what counts, or do not count.
    pub spare_samples: u64,
}

/// Votes on what was given in a round, in the order of workers.
pub(super) fn vote(policy: Policy, round: Round, given: Vec<(Member, Gradient)>) -> Result<Voted, Error> {
    let Some(many) = policy.majority() else {
        return Ok(Voted { gradients: given, outvoted: Vec::new(), spare_samples: 0 });
    };
    let (group, total) = (|member: Member| member.index() / policy.copies(), samples(&given));
    let mut voted = Voted { gradients: Vec::new(), outvoted: Vec::new(), spare_samples: 0 };
    for answers in given.chunk_by(|(one, _), (next, _)| group(*one) == group(*next)) {
        let agreed = majority(answers, many, |(_, one), (_, other)| one.is_same(other));
        let members = || answers.iter().map(|(member, _)| *member);
        let Some(agreed) = agreed else {
            return Err(Error::NoMajority { round, members: members().collect(), many });
        };
        voted.gradients.extend(agreed.first().map(|&first| answers[first].clone()));
        let others = members().enumerate().filter(|(index, _)| !agreed.contains(index));
        voted.outvoted.extend(others.map(|(_, member)| member));
    }
    voted.spare_samples = total - samples(&voted.gradients);
    Ok(voted)
}

/// The samples of all of them; a peer may claim any number.
fn samples(given: &[(Member, Gradient)]) -> u64 {
    given.iter().fold(0, |sum: u64, (_, gradient)| sum.saturating_add(gradient.samples))
}

/// Notes who was outvoted in a round.
pub(super) fn note(statistics: &mut ServerStatistics, outvoted: &[Member], round: Round) {
    for member in outvoted {
        let (worker, round) = (member.index() as u32, round.number());
        match statistics.outvoted.binary_search_by_key(&worker, |told| told.worker) {
            Ok(at) => {
                statistics.outvoted[at].rounds += 1;
                statistics.outvoted[at].last_round = round;
            }
            Err(at) => {
                let told =
                    crate::protocol::Outvoted { worker, rounds: 1, first_round: round, last_round: round };
                statistics.outvoted.insert(at, told);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient::Values;

    fn given(worker: u32, values: &[f32]) -> (Member, Gradient) {
        (Member::new(worker), Gradient { samples: 4, values: Values::Dense(values.to_vec().into()) })
    }

    #[test]
    fn vote_1_most_of_a_group_are_heard_and_vote_2_the_others_are_named() {
        let policy: Policy = "draco:1".parse().unwrap();
        let nan = f32::NAN;
        let round = Round::new(3);
        let all = vec![
            given(0, &[1.0, 0.0]),
            // Not the same bits, though equal as a number.
            given(1, &[1.0, -0.0]),
            given(2, &[1.0, 0.0]),
            given(3, &[nan]),
            given(4, &[2.0, 2.0]),
            given(5, &[2.0, 2.0]),
        ];
        let voted = vote(policy, round, all.clone()).unwrap();
        let count =
            |list: &[(Member, Gradient)]| list.iter().map(|(member, _)| member.index()).collect::<Vec<_>>();
        assert_eq!(count(&voted.gradients), [0, 4]);
        assert_eq!(voted.outvoted, [Member::new(1), Member::new(3)]);
        assert_eq!(voted.spare_samples, 16);
        let mut statistics = ServerStatistics::default();
        note(&mut statistics, &voted.outvoted, round);
        note(&mut statistics, &voted.outvoted[1..], round.next());
        let told: Vec<_> = statistics
            .outvoted
            .iter()
            .map(|told| (told.worker, told.rounds, told.first_round, told.last_round))
            .collect();
        assert_eq!(told, [(1, 1, 3, 3), (3, 2, 3, 4)]);
        let mut hopeless = all;
        hopeless[4] = given(4, &[3.0, 3.0]);
        let message = vote(policy, round, hopeless).err().unwrap().to_string();
        assert!(message.contains("round 3") && message.contains("workers 3, 4 and 5"), "{message}");
    }
}
