//! What was found out about a file, in sentences for its reader.

use super::column::{Column, Kind};
use super::decide::Misfit;
use super::target::Decision;
use super::{Target, TargetKind};

/// `regression of `price`: its 587 different whole numbers ...`
pub(super) fn task(target: &Target, decision: &Decision) -> String {
    let what = match &decision.kind {
        TargetKind::Regression { .. } => "regression".to_owned(),
        TargetKind::Classification { classes } => format!("classification into {} classes", classes.len()),
    };
    let of = if target.name.is_empty() { String::new() } else { format!(" of {}", target.title()) };
    format!("{what}{of}: {}", decision.because)
}

/// `features from 3 numbers, 1 date and 2 columns of words`
pub(super) fn columns(columns: &[Column], width: usize) -> String {
    let count = |of: fn(&Kind) -> bool| columns.iter().filter(|column| of(&column.kind)).count();
    let kinds = [
        (count(|kind| matches!(kind, Kind::Number { .. })), "number", "numbers"),
        (count(|kind| matches!(kind, Kind::Boolean { .. })), "yes or no", "columns of yes or no"),
        (count(|kind| matches!(kind, Kind::Date { form, .. } if !form.is_length())), "date", "dates"),
        (
            count(|kind| matches!(kind, Kind::Date { form, .. } if form.is_length())),
            "length of time",
            "lengths of time",
        ),
        (count(|kind| matches!(kind, Kind::Category { .. })), "column of words", "columns of words"),
        (count(|kind| matches!(kind, Kind::Text { .. })), "hashed text", "hashed texts"),
    ];
    let parts: Vec<String> = kinds
        .iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }))
        .collect();
    let all = match parts.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => parts.concat(),
    };
    let features = if width == 1 { "feature" } else { "features" };
    format!("{width} {features} from {all}")
}

/// One sentence for each reason why columns are left out.
pub(super) fn dropped(columns: &[Column]) -> Vec<String> {
    const SHOWN: usize = 8;
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for column in columns {
        if let Kind::Dropped { reason } = &column.kind {
            match reasons.iter_mut().find(|(known, _)| known == reason) {
                Some((_, titles)) => titles.push(column.title()),
                None => reasons.push((reason, vec![column.title()])),
            }
        }
    }
    let sentence = |(reason, titles): (&str, Vec<String>)| {
        let shown = titles[..titles.len().min(SHOWN)].join(", ");
        let more = titles.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let verb = if titles.len() == 1 { "is" } else { "are" };
        format!("{shown}{more} {verb} left out: {reason}")
    };
    reasons.into_iter().map(sentence).collect()
}

/// How dates are read, and which texts are hashed.
pub(super) fn readings(columns: &[Column]) -> Vec<String> {
    let reading = |column: &Column| match &column.kind {
        Kind::Date { form, .. } => Some(format!("{} is read as {}", column.title(), form.words())),
        Kind::Text { buckets, words } => {
            let what = if *words { "the words of" } else { "the many texts of" };
            Some(format!("{what} {} are hashed into {buckets} features", column.title()))
        }
        _ => None,
    };
    columns.iter().filter_map(reading).collect()
}

/// The one message about all columns that do not fit.
pub(crate) fn misfits(columns: usize, misfits: &[Misfit]) -> String {
    const SHOWN: usize = 30;
    let verb = if misfits.len() == 1 { "does" } else { "do" };
    let mut text = format!("{} of {columns} columns {verb} not fit:", misfits.len());
    for misfit in misfits.iter().take(SHOWN) {
        text += &format!("\n  {}: {}", misfit.title, misfit.found);
        if !misfit.remedy.is_empty() {
            text += &format!("; {}", misfit.remedy);
        }
    }
    if misfits.len() > SHOWN {
        text += &format!("\n  and {} more", misfits.len() - SHOWN);
    }
    text
}

/// A text as a shell takes it after a flag.
pub(crate) fn argument(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let shown: String = text
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] })
        .collect();
    format!("'{}'", shown.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::argument;

    #[test]
    fn arguments_are_taken_by_a_shell_as_they_are() {
        for (text, written) in
            [("n.a.", "n.a."), (r"\N", r"'\N'"), ("it's", r"'it'\''s'"), ("", "''"), ("a\tb", r"'a\tb'")]
        {
            assert_eq!(argument(text), written);
        }
    }
}
