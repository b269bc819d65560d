//! Names from files, made harmless: a log, a data file or a path may hold any character, and a terminal obeys some of
//! them.
//!
//! Escaped are controls (C0, DEL, C1: they move the cursor, clear the screen, set the title, forge lines), bidirectional
//! controls (they show a text in another order than it has) and characters without a width (two names that look alike).
//! The latter two are the Unicode property `Default_Ignorable_Code_Point` without variation selectors, the line and
//! paragraph separators, and the interlinear annotations. Escaping twice is escaping once, so that nobody needs to know whether
//! a text has been here.

use std::{borrow::Cow, fmt::Write, path::Path};

/// The text with every character that a terminal acts upon, or does not show, written as Rust would: `\n`, `\u{1b}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_but(text, |_| false)
}

/// As [`escape`], but line ends stay: for texts of several lines whose names were escaped before.
pub fn lines(text: &str) -> Cow<'_, str> {
    escape_but(text, |character| character == '\n')
}

/// A file's name for a message; what is not Unicode is shown as `\u{fffd}`.
pub fn path(path: &Path) -> String {
    escape(&path.to_string_lossy()).into_owned()
}

/// A JSON document with the same content, in which no string has a character that a terminal acts upon.
pub fn json(document: &str) -> Cow<'_, str> {
    let stays = |character: char| !acts(character) || character == '\n';
    if document.chars().all(stays) {
        return Cow::Borrowed(document);
    }
    let mut out = String::with_capacity(document.len() + 16);
    for character in document.chars() {
        if stays(character) {
            out.push(character);
            continue;
        }
        // Such characters occur only inside of strings, where this stands for them (RFC 8259, section 7).
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    Cow::Owned(out)
}

fn escape_but(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let acts = |character: char| acts(character) && !stays(character);
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            c if !acts(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing to a string cannot fail.
            c => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
        }
    }
    Cow::Owned(out)
}

/// Whether a terminal acts upon the character or shows nothing for it.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        assert_eq!(escape("a\x1b[2J\x07\rb\nc\td"), "a\\u{1b}[2J\\u{7}\\rb\\nc\\td");
        assert_eq!(escape("\u{9b}2J\u{7f}"), "\\u{9b}2J\\u{7f}");
        assert_eq!(escape("user\u{202e}gpj.exe"), "user\\u{202e}gpj.exe");
        assert_eq!(escape("pay\u{200b}pal\u{feff}"), "pay\\u{200b}pal\\u{feff}");
        assert_eq!(escape("\u{e0041}"), "\\u{e0041}");
    }

    #[test]
    fn what_people_write_stays() {
        for text in ["Müller & Söhne", "naïve 表 ☕\u{fe0f}", r"C:\new", "40\u{202f}000", "שלום"] {
            assert_eq!(escape(text), text);
        }
        assert_eq!(lines("a\n\x1bb"), "a\n\\u{1b}b");
    }

    #[test]
    fn json_keeps_its_content() {
        assert_eq!(json("{\n \"a\u{202e}\u{7f}\u{e0041}\"}"), "{\n \"a\\u202e\\u007f\\udb40\\udc41\"}");
    }

    proptest! {
        #[test]
        fn nothing_is_left_and_twice_is_once(text in any::<String>()) {
            let once = escape(&text).into_owned();
            prop_assert!(!once.contains(acts));
            prop_assert_eq!(escape(&once), once.as_str());
        }
    }
}
