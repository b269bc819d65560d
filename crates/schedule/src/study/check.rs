//! What a study may not ask for: numbers outside their range, and options that would change nothing.

use super::{Decisions, Jobs, Study};
use crate::{
    error::{Error, Result},
    policy::{Floor, PolicyName},
    pricing::Times,
    state::Overhead,
    trace::Format,
};

impl Study {
    /// Whether it can be done as it is, with these policies. Options are named as the fields, with dashes.
    ///
    /// # Errors
    /// A number outside its range; an option without effect; a file of jobs without machines.
    pub fn check(&self, policies: &[PolicyName]) -> Result<()> {
        self.check_numbers()?;
        self.check_effects(policies)?;
        let homeless = self.cluster.is_none() && self.machines.is_none();
        match &self.jobs {
            Jobs::File(_) if homeless => Err(Error::NoMachines),
            Jobs::Trace { format: Format::Gavel, throughputs: None, .. } => {
                Err(Error::option("format", "gavel", "it also needs --throughputs FILE"))
            }
            _ => Ok(()),
        }
    }

    fn check_numbers(&self) -> Result<()> {
        let every = self.checkpoints.map(|checkpoints| checkpoints.every);
        let cost = self.checkpoints.map(|checkpoints| checkpoints.cost);
        let share = "it is between 0 and 1";
        let seconds = "it is seconds, not negative";
        for (option, value, valid, wanted) in [
            ("restart", self.restart, not_negative as fn(f64) -> bool, seconds),
            ("checkpoint-every", every, is_positive, "it is a positive number of seconds"),
            ("checkpoint-cost", cost, not_negative, seconds),
            ("adjustable", self.adjustable, is_some_share, "it is above 0, at most 1"),
            ("late-share", self.late_share, is_share, share),
            ("unfairness", self.unfairness, is_share, share),
        ] {
            if let Some(value) = value.filter(|value| !valid(*value)) {
                return Err(Error::option(option, value, wanted));
            }
        }
        Ok(())
    }

    fn check_effects(&self, policies: &[PolicyName]) -> Result<()> {
        use PolicyName::{Dorm, Oasis, PdOrs, Syncline};
        let traced = matches!(self.jobs, Jobs::Trace { .. });
        let drawn = matches!(self.jobs, Jobs::Drawn(_));
        let gavel = !matches!(&self.jobs, Jobs::Trace { format, throughputs: Some(_), .. } if *format != Format::Gavel);
        let among = |names: &[PolicyName]| policies.iter().any(|policy| names.contains(policy));
        // With its floor `syncline` keeps a shadow of PD-ORS, whose options then count for it too.
        let shadow = among(&[Syncline]) && self.floor != Some(Floor::Free);
        let slots = match self.decisions {
            Some(decisions) => decisions == Decisions::Slots,
            None => !traced,
        };
        for (option, given, has_effect, wanted) in [
            ("setting", self.setting.is_some(), drawn || self.machines.is_some(), "jobs that are drawn"),
            ("machines", self.machines.is_some(), !traced, "settings and files of jobs; give --cluster"),
            ("throughputs", !gavel, false, "--format gavel"),
            (
                "restart",
                self.restart.is_some(),
                self.overhead != Some(Overhead::Never),
                "another --overhead than never",
            ),
            ("times paper", self.times == Times::Paper, slots, "--clock slots"),
            (
                "external",
                self.external.is_some(),
                among(&[PdOrs]) || shadow,
                "the policies pd-ors and syncline (with its floor)",
            ),
            ("quanta", self.quanta.is_some(), among(&[PdOrs, Oasis, Syncline]), "planners"),
            (
                "late-share",
                self.late_share.is_some(),
                among(&[PdOrs, Oasis]) || shadow,
                "the policies pd-ors and oasis",
            ),
            ("unfairness", self.unfairness.is_some(), among(&[Dorm]), "the policy dorm"),
            ("adjustable", self.adjustable.is_some(), among(&[Dorm]), "the policy dorm"),
            ("floor", self.floor.is_some(), among(&[Syncline]), "the policy syncline"),
        ] {
            if given && !has_effect {
                return Err(Error::NoEffect { option, wanted });
            }
        }
        Ok(())
    }
}

fn is_positive(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

fn not_negative(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

fn is_share(value: f64) -> bool {
    (0.0..=1.0).contains(&value)
}

fn is_some_share(value: f64) -> bool {
    value > 0.0 && value <= 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_nothing_is_refused() {
        let study = Study { unfairness: Some(0.2), ..Study::default() };
        assert!(matches!(study.check(&[PolicyName::Drf]), Err(Error::NoEffect { option: "unfairness", .. })));
        assert!(study.check(&[PolicyName::Drf, PolicyName::Dorm]).is_ok());
    }

    /// Without its floor `syncline` never rounds; with it, it does what PD-ORS would.
    #[test]
    fn the_floor_decides_whether_rounding_counts() {
        let external = Some(crate::pricing::External::Greedy);
        let strict = Study { external, ..Study::default() };
        let free = Study { floor: Some(Floor::Free), ..strict.clone() };
        assert!(strict.check(&[PolicyName::Syncline]).is_ok());
        assert!(free.check(&[PolicyName::Syncline]).is_err());
    }

    #[test]
    fn numbers_outside_their_range_are_named() {
        let study = Study { restart: Some(f64::NAN), ..Study::default() };
        assert!(matches!(study.check(&[PolicyName::Drf]), Err(Error::Option { option: "restart", .. })));
        let study = Study { adjustable: Some(0.0), ..Study::default() };
        assert!(matches!(study.check(&[PolicyName::Dorm]), Err(Error::Option { option: "adjustable", .. })));
    }

    #[test]
    fn jobs_of_ones_own_need_machines() {
        let study = Study { jobs: Jobs::File("jobs.json".into()), ..Study::default() };
        assert!(matches!(study.check(&[PolicyName::Drf]), Err(Error::NoMachines)));
    }
}
