//! What a column is, from what was counted in it. Each rule is a threshold that a reader may disagree with; so the
//! report says what was decided, and a flag of the command overrides it.

use super::column::{Cycle, Kind, Scale};
use super::options::Missing;
use super::survey::{MOST_CLASSES, Moments, Survey};
use super::words::argument;
use crate::DateForm;
use crate::input::quoted;
use crate::table::decode;

/// Different words that become a feature each.
pub(crate) const MOST_WORDS: usize = 64;
/// Features of a column of many texts.
const BUCKETS: u32 = 64;
/// Words in a cell from which on it is a text, and not a name.
const WORDS_OF_A_TEXT: u64 = 4;

/// A column that cannot be used as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Misfit {
    /// The column as a message names it.
    pub title: String,
    /// What is wrong, with counts.
    pub found: String,
    /// What to do, as flags of the command.
    pub remedy: String,
}

/// What a user has decided about columns.
pub(crate) struct Wishes {
    pub missing: Missing,
    pub raw: bool,
}

/// The kind of a column that the user has not decided, or what is wrong with it and what to do: (found, remedy).
pub(crate) fn kind(name: &str, survey: &Survey, wishes: &Wishes) -> Result<Kind, (String, String)> {
    let present = survey.present();
    if present == 0 || survey.numbers + survey.texts + survey.too_large == 0 {
        return Ok(dropped("all its cells are missing"));
    }
    // Among words `Infinity` is one of them, such as the title of a film.
    if let Some((line, text)) = &survey.first_too_large
        && survey.texts * 2 < present
    {
        let found = format!(
            "{} infinite or beyond 1e150 ({} in line {line})",
            of_cells(survey.too_large, present),
            quoted(text)
        );
        return Err((found, String::from("rescale it")));
    }
    let typed = survey.typed == present && (names_things(survey) || !survey.is_numeric());
    if survey.texts == 0 && !typed {
        return Ok(number(name, survey, wishes));
    }
    if typed {
        return Ok(text(survey, wishes));
    }
    if survey.numbers > 0 || survey.for_people.contains(&survey.texts) {
        return mixed(survey, wishes);
    }
    Ok(text(survey, wishes))
}

/// Whether digits in a column that the file says is of text are names: few of them, or such as `007`.
fn names_things(survey: &Survey) -> bool {
    survey.codes || survey.spelt().is_some_and(|spelt| 2 * spelt as u64 <= survey.present())
}

/// The kind of a column that counts the rows, where there is no other to learn from: it tells the order of the rows.
pub(crate) fn row_number(survey: &Survey, wishes: &Wishes) -> Option<Kind> {
    let counts = survey.counts_rows && survey.numbers == survey.rows && survey.moments.deviation() > 0.0;
    counts.then(|| Kind::Number { scale: scale(&survey.moments, 0, wishes) })
}

/// The kind of a column whose cells are words because the user says so.
pub(crate) fn forced_category(survey: &Survey, wishes: &Wishes) -> Result<Kind, (String, String)> {
    match survey.spelt() {
        Some(_) => Ok(category(survey, wishes)),
        None => Err((format!("it has more than {MOST_CLASSES} different words"), String::new())),
    }
}

fn number(name: &str, survey: &Survey, wishes: &Wishes) -> Kind {
    let few_missing = survey.missing + survey.placeholders == 0 || wishes.missing != Missing::Indicator;
    if survey.moments.deviation() == 0.0 && few_missing {
        return dropped(&format!("it is {} in all rows", survey.moments.mean));
    }
    // What R, pandas and spreadsheets put before the data.
    const INDICES: [&str; 6] = ["", "unnamed: 0", "rownames", "row.names", "index", "__index_level_0__"];
    if survey.counts_rows
        && survey.numbers == survey.rows
        && survey.rows > 2
        && INDICES.contains(&name.to_lowercase().as_str())
    {
        return dropped("it counts the rows");
    }
    let missing = survey.missing + survey.placeholders;
    Kind::Number { scale: scale(&survey.moments, missing, wishes) }
}

fn scale(moments: &Moments, missing: u64, wishes: &Wishes) -> Scale {
    let fill = moments.mean;
    let (centre, deviation) = if wishes.raw { (0.0, 1.0) } else { (fill, moments.deviation()) };
    let indicator = wishes.missing == Missing::Indicator && missing > 0;
    Scale { centre, deviation, fill, indicator }
}

/// Numbers and texts in one column.
fn mixed(survey: &Survey, wishes: &Wishes) -> Result<Kind, (String, String)> {
    let present = survey.present();
    let Some((line, example_text)) = &survey.first_text else { return Ok(text(survey, wishes)) };
    let example = format!("{} in line {line}", quoted(example_text));
    if let Some(signs) = decimal_signs(survey) {
        let found = format!("{} numbers as people write them ({example})", of_cells(survey.texts, present));
        return Err((found, format!("{signs} reads them")));
    }
    let few = survey.spelt().is_some_and(|spelt| spelt <= MOST_WORDS / 2 && spelt as u64 * 10 <= present);
    // `136A` among whole numbers: they are codes of something, and no amounts.
    let codes = survey.whole && survey.texts_with_digits == survey.texts;
    if few || codes || survey.numbers * 2 < present {
        return Ok(text(survey, wishes));
    }
    let found = format!("{} no number ({example})", of_cells(survey.texts, present));
    let remedy = match survey.distinct_texts() {
        Some(1) => format!("--na {} takes them for missing", argument(&decode(example_text))),
        _ => "--category NAME takes all its cells for words".to_owned(),
    };
    Err((found, remedy))
}

/// The flags that read all texts of a column as numbers for people, if there are such.
pub(crate) fn decimal_signs(survey: &Survey) -> Option<&'static str> {
    let [point, comma] = survey.for_people.map(|count| count == survey.texts && count > 0);
    match (point, comma) {
        (true, true) => Some("--decimal . or --decimal ,"),
        (true, false) => Some("--decimal ."),
        (false, true) => Some("--decimal ,"),
        (false, false) => None,
    }
}

fn text(survey: &Survey, wishes: &Wishes) -> Kind {
    let cells = survey.present();
    if survey.numbers == 0
        && survey.texts > 0
        && survey.texts >= survey.placeholders
        && let Some((form, moments)) = survey.dates.first()
    {
        return date(*form, moments, survey, wishes);
    }
    if survey.numbers == 0
        && survey.placeholders == 0
        && let Some((no, yes)) = boolean(survey)
    {
        let ones = yes.1 as f64 / cells as f64;
        let deviation = (ones * (1.0 - ones)).sqrt();
        let (centre, deviation) = if wishes.raw { (0.0, 1.0) } else { (ones, deviation) };
        let indicator = wishes.missing == Missing::Indicator && survey.missing > 0;
        let scale = Scale { centre, deviation, fill: ones, indicator };
        return Kind::Boolean { no: no.0, yes: yes.0, scale };
    }
    match survey.spelt() {
        Some(1) if survey.missing == 0 => {
            let value = survey.spellings.keys().next().map_or(String::new(), |text| quoted(text));
            return dropped(&format!("it is {value} in all rows"));
        }
        Some(spelt) if spelt <= MOST_WORDS && (spelt == 1 || 2 * spelt as u64 <= cells) => {
            return category(survey, wishes);
        }
        _ => {}
    }
    if survey.words >= WORDS_OF_A_TEXT * cells {
        return Kind::Text { buckets: BUCKETS * 2, words: true };
    }
    match survey.distinct_texts() {
        Some(distinct) if distinct as u64 * 4 <= cells => Kind::Text { buckets: BUCKETS, words: false },
        Some(distinct) if distinct as u64 == cells => {
            dropped(&format!("its {cells} texts are all different: it names the rows"))
        }
        Some(distinct) => {
            dropped(&format!("it has {distinct} different texts in {cells} rows, too many to learn from"))
        }
        None => dropped("it has more than 65000 different texts"),
    }
}

fn date(form: DateForm, moments: &Moments, survey: &Survey, wishes: &Wishes) -> Kind {
    let span = moments.greatest - moments.least;
    if span == 0.0 {
        let one = if form.is_length() { "length of time" } else { "date" };
        return dropped(&format!("it is one {one} in all rows"));
    }
    let times = survey.times && form != DateForm::Time;
    let often =
        |cycle: &Cycle| !form.is_length() && span >= 2.0 * cycle.days() && (*cycle != Cycle::Day || times);
    let cycles = Cycle::ALL.into_iter().filter(often).collect();
    Kind::Date { form, cycles, scale: scale(moments, survey.missing + survey.placeholders, wishes) }
}

type Word = (String, u64);

/// The words for no and yes with their counts, if there are just two that mean that, in whatever case of letters.
fn boolean(survey: &Survey) -> Option<(Word, Word)> {
    const PAIRS: [(&str, &str); 5] =
        [("false", "true"), ("no", "yes"), ("f", "t"), ("n", "y"), ("off", "on")];
    let lower = |text: &[u8]| decode(text).to_lowercase();
    survey.spelt().filter(|spelt| (2..=6).contains(spelt))?;
    let count = |word: &str| {
        let spellings = survey.spellings.iter().filter(|(text, _)| lower(text) == word);
        spellings.map(|(_, (count, _))| count).sum::<u64>()
    };
    PAIRS.iter().find_map(|&(no, yes)| {
        let (nos, yeses) = (count(no), count(yes));
        let all = nos > 0 && yeses > 0 && nos + yeses == survey.present();
        all.then(|| ((no.to_owned(), nos), (yes.to_owned(), yeses)))
    })
}

fn category(survey: &Survey, wishes: &Wishes) -> Kind {
    let mut values: Vec<String> = survey.spellings.keys().map(|text| decode(text)).collect();
    super::target::sort(&mut values);
    values.dedup();
    let indicator = wishes.missing == Missing::Indicator && survey.missing > 0;
    Kind::Category { values, indicator }
}

fn dropped(reason: &str) -> Kind {
    Kind::Dropped { reason: reason.into() }
}

/// `12 of 600 cells are`, `1 of 600 cells is`.
fn of_cells(count: u64, present: u64) -> String {
    format!("{count} of {present} cells {}", if count == 1 { "is" } else { "are" })
}
