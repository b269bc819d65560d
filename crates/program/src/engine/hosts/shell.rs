//! Commands as a shell reads them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A word that every shell takes for what it is.
pub(super) fn quoted(word: impl AsRef<OsStr>) -> OsString {
    let mut quoted = vec![b'\''];
    for byte in word.as_ref().as_bytes() {
        match byte {
            b'\'' => quoted.extend(br"'\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    OsString::from_vec(quoted)
}

/// Words with blanks between.
pub(super) fn joined(words: impl IntoIterator<Item = OsString>) -> OsString {
    words.into_iter().collect::<Vec<_>>().join(OsStr::new(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn what_is_quoted_arrives() {
        for word in ["", "plain", "it's", "$HOME `id` \\ \"x\"", "a\nb", "é*?[", "-n", "''"] {
            let script = joined([OsString::from("printf %s"), quoted(word)]);
            let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }
}
