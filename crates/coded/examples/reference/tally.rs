//! Rows one after the other, each evaluated from its own line alone.

use crate::row::Row;

/// What is said of a row.
pub struct Said {
    /// Our values beside the file's.
    pub beside: String,
    /// What is wrong with them.
    pub wrong: Option<String>,
}

/// Evaluates and prints every row; whether all agree, of at least one.
pub fn all_agree(text: &str, evaluate: impl Fn(&Row) -> Result<Said, String>) -> bool {
    println!("model|params|metric|formula: ours, file|simulation: ours, file|verdict");
    let (mut agree, mut disagree, mut unknown) = (0, 0, 0);
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with("model|") {
            continue;
        }
        match Row::parse(line).and_then(|row| Ok((evaluate(&row)?, row))) {
            Ok((said, row)) => {
                let verdict = match &said.wrong {
                    None => "agrees".to_owned(),
                    Some(wrong) => format!("{wrong} [line {}]", number + 1),
                };
                println!("{}|{}|{}|{}|{verdict}", row.model, row.params, row.metric, said.beside);
                *if said.wrong.is_none() { &mut agree } else { &mut disagree } += 1;
            }
            Err(reason) => {
                unknown += 1;
                println!("line {}: {line}|not understood: {reason}", number + 1);
            }
        }
    }
    println!("{agree} rows agree, {disagree} disagree, {unknown} not understood");
    agree > 0 && disagree + unknown == 0
}
