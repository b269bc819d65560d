//! One line of the file, taken apart: named parameters, the range of widths, the task distribution, the flag for
//! deterministic arrivals, and values with the precision to which they are printed.

use std::collections::HashMap;

use syncline_queueing::{Distribution, Exceedance};

/// A printed number: its value, half a unit of its last digit, and its standard error if one is given.
#[derive(Debug, Clone, Copy)]
pub struct Printed {
    pub value: f64,
    pub rounding: f64,
    pub error: Option<f64>,
}

#[derive(Debug, Clone)]
pub struct Row {
    pub model: String,
    pub params: String,
    pub metric: String,
    pub formula: Printed,
    /// None where the file has no simulated value.
    pub simulation: Option<Printed>,
    pub note: String,
    named: HashMap<String, String>,
    pub widths: Option<(usize, usize)>,
    pub deterministic: bool,
    size: Option<Distribution>,
}

impl Row {
    pub fn parse(line: &str) -> Result<Self, String> {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let [model, params, metric, formula, simulation, _, rest @ ..] = &fields[..] else {
            return Err(format!("{} fields instead of 7", fields.len()));
        };
        let mut row = Self {
            model: model.to_string(),
            params: params.to_string(),
            metric: metric.to_string(),
            formula: printed(formula)?,
            simulation: if matches!(*simulation, "" | "-") { None } else { Some(printed(simulation)?) },
            note: rest.first().unwrap_or(&"").to_string(),
            named: HashMap::new(),
            widths: None,
            deterministic: false,
            size: None,
        };
        // A parameter may stand in the model's name: "hybrid p=.5 heterogeneous k".
        let in_name = model.split_whitespace().filter(|token| token.contains('='));
        for token in in_name.map(str::to_owned).chain(tokens(params)) {
            row.take(&token)?;
        }
        row.deterministic |= model.contains("D/M exact");
        Ok(row)
    }

    fn take(&mut self, token: &str) -> Result<(), String> {
        if let Some((name, range)) = token.split_once("~U{") {
            let (low, high) =
                range.trim_end_matches('}').split_once("..").ok_or(format!("{name}: no range"))?;
            let bound =
                |text: &str| text.parse().map_err(|_| format!("{name}: '{text}' is not a whole number"));
            self.widths = Some((bound(low)?, bound(high)?));
        } else if let Some(size) = token.strip_prefix("S=") {
            self.size = Some(size.parse().map_err(|e| format!("{e}"))?);
        } else if let Some((name, value)) = token.split_once('=') {
            self.named.insert(name.to_owned(), value.to_owned());
        } else if token == "D" {
            self.deterministic = true;
        } else if token != "arrivals" {
            self.size = Some(token.parse().map_err(|e| format!("'{token}' is no parameter, and {e}"))?);
        }
        Ok(())
    }

    pub fn number(&self, name: &str) -> Result<f64, String> {
        self.optional(name)?.ok_or_else(|| format!("parameter {name} is missing"))
    }

    pub fn optional(&self, name: &str) -> Result<Option<f64>, String> {
        let parse = |text: &String| text.parse().map_err(|_| format!("{name}={text} is not a number"));
        self.named.get(name).map(parse).transpose()
    }

    /// A whole number under any of several names.
    pub fn count(&self, names: &[&str]) -> Result<usize, String> {
        let Some(name) = names.iter().find(|name| self.named.contains_key(**name)) else {
            return Err(format!("parameter {} is missing", names.join(" or ")));
        };
        let value = self.number(name)?;
        if value < 0.0 || value.fract() != 0.0 {
            return Err(format!("{name}={value} is not a whole number"));
        }
        Ok(value as usize)
    }

    pub fn exceedance(&self) -> Result<Exceedance, String> {
        Exceedance::new(self.number("eps")?).map_err(|e| e.to_string())
    }

    /// The task sizes: Exp(mu) unless the row names another distribution.
    pub fn size(&self) -> Result<Distribution, String> {
        let mu = self.optional("mu")?.unwrap_or(1.0);
        self.size.clone().map_or_else(|| Distribution::exponential(mu).map_err(|e| e.to_string()), Ok)
    }
}

/// Splits at spaces and drops remarks: a parenthesis that opens a token, up to its close.
fn tokens(params: &str) -> Vec<String> {
    let mut kept = Vec::new();
    let mut remark = false;
    for token in params.split_whitespace() {
        remark |= token.starts_with('(');
        if !remark {
            kept.push(token.to_owned());
        }
        remark &= !token.ends_with(')');
    }
    kept
}

fn printed(text: &str) -> Result<Printed, String> {
    let (value, error) = text.split_once('±').map_or((text, None), |(value, error)| (value, Some(error)));
    let number = |text: &str| match text.trim().parse::<f64>() {
        Ok(number) if !number.is_nan() => Ok(number),
        _ => Err(format!("'{text}' is not a number")),
    };
    let error = error.map(number).transpose()?;
    if let Some(bad) = error.filter(|error| !(0.0..f64::INFINITY).contains(error)) {
        return Err(format!("{bad} is no standard error"));
    }
    let error = error.filter(|error| *error > 0.0);
    Ok(Printed { value: number(value)?, rounding: rounding(value), error })
}

/// Half a unit of the last printed digit. Such files print five significant digits and cut trailing zeros off: a
/// number that shows fewer than four has lost zeros, and is taken as printed to five.
fn rounding(text: &str) -> f64 {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let value: f64 = mantissa.parse().unwrap_or(0.0);
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let decimals = mantissa.split_once('.').map_or(0, |(_, digits)| digits.len() as i32);
    let leading = value.abs().log10().floor() as i32;
    let last = if decimals + leading + 1 >= 4 { decimals } else { 4 - leading };
    0.5 * 10f64.powi(exponent.parse().unwrap_or(0) - last) * (1.0 + 1e-9)
}
