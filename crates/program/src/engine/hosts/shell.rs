//! Commands as a shell reads them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::Command;

/// A word that every shell takes for what it is: within quotes fish reads a backslash as a sign of its own, and tcsh an exclamation
/// mark, so both stand outside, as the quote itself does.
pub(super) fn quoted(word: impl AsRef<OsStr>) -> OsString {
    let mut quoted = vec![b'\''];
    for byte in word.as_ref().as_bytes() {
        match byte {
            b'\'' | b'\\' | b'!' => quoted.extend([b'\'', b'\\', *byte, b'\'']),
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

/// A word as a person would write it: within quotes only where a shell would take it for something else.
pub(super) fn written(word: &OsStr) -> OsString {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./,:=@%+".contains(byte);
    let bytes = word.as_bytes();
    if !bytes.is_empty() && bytes.iter().all(plain) { word.to_owned() } else { quoted(word) }
}

/// A command as a person would type it, behind the variables that it is given.
pub(super) fn typed(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        let mut pair = name.to_owned();
        pair.push("=");
        pair.push(written(value?));
        Some(pair)
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(written);
    joined(variables.chain(words)).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a shell hands on of a word to another that it starts, as a host's shell does to `sh`; nothing where there is no such shell.
    fn handed_on(shell: &str, word: &str) -> Option<String> {
        let script = joined([OsString::from("printf %s"), quoted(word)]);
        let outer = joined(["exec".into(), "sh".into(), "-c".into(), quoted(script)]);
        let output = Command::new(shell).arg("-c").arg(outer).output().ok()?;
        Some(String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn what_is_quoted_arrives_whatever_the_shell_of_the_host_is() {
        let words = [
            "",
            "plain",
            "it's",
            "$HOME `id` \\ \"x\"",
            r"a\\b\'c",
            "wow! !!",
            "é*?[",
            "-n",
            "''",
            "~ #{a,b}",
        ];
        for shell in ["sh", "bash", "zsh", "fish", "tcsh"] {
            for word in words {
                assert!(handed_on(shell, word).is_none_or(|handed| handed == word), "{shell}: {word}");
            }
        }
        assert_eq!(handed_on("sh", "a\nb").unwrap(), "a\nb");
    }

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("printf");
        command.args(["%s|%s", "it's", ""]).env("MODE", "a b");
        let typed = typed(&command);
        assert_eq!(typed, r"MODE='a b' printf '%s|%s' 'it'\''s' ''");
        let output = Command::new("sh").arg("-c").arg(&typed).output().unwrap();
        assert_eq!(output.stdout, b"it's|");
    }
}
