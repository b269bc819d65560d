//! Distributions as text: `erlang:4,4` on the command line, the short `e,4,4` of reference files, and the
//! mathematical `lognormal(0,.5)`, `U(.5,1.5)` and `Erlang-4` (mean 1).

use std::str::FromStr;

use super::Distribution;
use crate::{Error, Result};

const FORMS: &str = "use exp:rate, shifted:d,rate, erlang:m,rate, gamma:shape,rate, hyper:p,rate1,rate2, \
    uniform:a,b, weibull:shape,scale, lognormal:mu,sigma, pareto:shape,scale or const:x";

impl FromStr for Distribution {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let failed = |reason: String| Error::Parse { text: text.into(), kind: "a distribution", reason };
        let (name, numbers) = split(text).map_err(failed)?;
        build(&name, &numbers).unwrap_or_else(|| Err(failed(FORMS.into())))
    }
}

/// The name in lower case, and the numbers after it.
fn split(text: &str) -> std::result::Result<(String, Vec<f64>), String> {
    let text = text.trim().to_ascii_lowercase();
    if let Some(stages) = text.strip_prefix("erlang-") {
        let stages: f64 = number(stages)?;
        return Ok(("erlang".into(), vec![stages, stages]));
    }
    let end = text.find([':', ',', '(']).unwrap_or(text.len());
    let rest = text[end..].trim_start_matches([':', ',', '(']).trim_end_matches(')');
    let numbers = rest
        .split(',')
        .filter(|part| !part.trim().is_empty())
        .map(number)
        .collect::<std::result::Result<_, _>>()?;
    Ok((text[..end].trim().to_owned(), numbers))
}

fn number(text: &str) -> std::result::Result<f64, String> {
    text.trim().parse().map_err(|_| format!("'{}' is not a number", text.trim()))
}

fn build(name: &str, numbers: &[f64]) -> Option<Result<Distribution>> {
    use Distribution as D;
    Some(match (name, numbers) {
        ("exp" | "exponential" | "m", &[rate]) => D::exponential(rate),
        ("sx" | "shifted" | "shifted-exp", &[shift, rate]) => D::shifted_exponential(shift, rate),
        ("e" | "erlang", &[stages, rate]) => whole(stages).and_then(|stages| D::erlang(stages, rate)),
        ("g" | "gamma", &[shape, rate]) => D::gamma(shape, rate),
        ("h" | "hyper" | "hyperexp", &[p, first, second]) => {
            D::hyper_exponential(&[(p, first), (1.0 - p, second)])
        }
        ("u" | "uniform", &[low, high]) => D::uniform(low, high),
        ("w" | "weibull", &[shape, scale]) => D::weibull(shape, scale),
        ("ln" | "lognormal", &[mu, sigma]) => D::log_normal(mu, sigma),
        ("p" | "pareto", &[shape, scale]) => D::pareto(shape, scale),
        ("c" | "const" | "constant" | "det", &[value]) => D::constant(value),
        _ => return None,
    })
}

fn whole(stages: f64) -> Result<usize> {
    if stages >= 1.0 && stages.fract() == 0.0 && stages <= 1e9 {
        Ok(stages as usize)
    } else {
        Err(Error::parameter("number of Erlang stages", stages, "a whole number of at least 1"))
    }
}
