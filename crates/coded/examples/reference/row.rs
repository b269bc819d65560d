//! One line of the file, taken apart.

use std::collections::BTreeMap;

/// A printed value with its standard error, 0 where it is exact.
#[derive(Clone, Copy, Debug)]
pub struct Printed {
    pub value: f64,
    pub error: f64,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub model: String,
    pub params: String,
    pub metric: String,
    pub formula: f64,
    pub simulation: Printed,
    named: BTreeMap<String, String>,
}

impl Row {
    pub fn parse(line: &str) -> Result<Self, String> {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let [model, params, metric, formula, simulation, ..] = &fields[..] else {
            return Err(format!("{} fields instead of 7", fields.len()));
        };
        Ok(Self {
            model: (*model).into(),
            params: (*params).into(),
            metric: (*metric).into(),
            formula: number(formula)?,
            simulation: printed(simulation)?,
            named: named(params)?,
        })
    }

    pub fn text(&self, name: &str) -> Result<&str, String> {
        self.named.get(name).map(String::as_str).ok_or_else(|| format!("parameter {name} is missing"))
    }

    pub fn number(&self, name: &str) -> Result<f64, String> {
        number(self.text(name)?)
    }

    pub fn count(&self, name: &str) -> Result<usize, String> {
        let text = self.text(name)?;
        text.parse().map_err(|_| format!("{name}={text} is not a whole number"))
    }

    /// Numbers between commas.
    pub fn list(&self, name: &str) -> Result<Vec<f64>, String> {
        self.text(name)?.split(',').map(number).collect()
    }
}

/// `name=value` tokens between spaces; a name may have spaces in it.
fn named(params: &str) -> Result<BTreeMap<String, String>, String> {
    let mut named = BTreeMap::new();
    let mut words = Vec::new();
    for token in params.split_whitespace() {
        match token.split_once('=') {
            None => words.push(token),
            Some((last, value)) => {
                words.push(last);
                named.insert(words.join(" "), value.to_owned());
                words.clear();
            }
        }
    }
    if words.is_empty() { Ok(named) } else { Err(format!("'{}' has no value", words.join(" "))) }
}

fn printed(text: &str) -> Result<Printed, String> {
    let (value, error) = text.split_once('±').unwrap_or((text, "0"));
    let error = number(error)?;
    if !(error.is_finite() && error >= 0.0) {
        return Err(format!("{error} is no standard error"));
    }
    Ok(Printed { value: number(value)?, error })
}

pub fn number(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(number) if !number.is_nan() => Ok(number),
        _ => Err(format!("'{}' is not a number", text.trim())),
    }
}
