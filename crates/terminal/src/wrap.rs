//! Sentences in lines of a width, and texts cut to one. Widths are those of Unicode's East Asian Width (UAX 11).

use std::borrow::Cow;

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Characters kept for each column, so that marks which are stacked on one letter have an end.
const MARKS: usize = 4;

/// How many columns a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// A sentence in lines of at most `width` columns, the first of which begins with `first`, the others with `rest`.
/// A word that is longer than a line is broken. There is at least one line.
pub fn wrap(text: &str, width: Option<usize>, first: &str, rest: &str) -> Vec<String> {
    let Some(width) = width else { return vec![format!("{first}{text}")] };
    let options = Options::new(width)
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(true)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        // The other algorithm balances lines, and so moves words of a line that has not changed.
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::wrap(text, options).into_iter().map(Cow::into_owned).collect()
}

/// The text, or its beginning and an ellipsis, in at most `width` columns.
pub fn shorten(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width && text.len() <= MARKS * 4 * width.max(1) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut taken = 0;
    for character in text.chars().take(MARKS * width) {
        let wide = character.width().unwrap_or(0);
        if taken + wide > width.saturating_sub(1) {
            break;
        }
        taken += wide;
        out.push(character);
    }
    out.truncate(out.trim_end().len());
    out.push('…');
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_hang_below_their_bullet() {
        assert_eq!(wrap("one two three", Some(9), "- ", "  "), ["- one two", "  three"]);
        assert_eq!(wrap("one two three", None, "- ", "  "), ["- one two three"]);
        assert_eq!(wrap("", Some(9), "", ""), [""]);
    }

    #[test]
    fn long_words_are_broken() {
        assert_eq!(wrap("/a/very/long/path", Some(8), "", ""), ["/a/very/", "long/pat", "h"]);
    }

    #[test]
    fn wide_letters_take_two_columns() {
        assert_eq!(width("表a"), 3);
        assert_eq!(shorten("表表表", 4), "表…");
        assert_eq!(shorten("表表", 4), "表表");
    }

    #[test]
    fn a_tower_of_marks_has_an_end() {
        let tower = format!("a{}", "\u{301}".repeat(100_000));
        assert!(shorten(&tower, 10).len() < 100);
    }
}
