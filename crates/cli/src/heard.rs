//! What a command says where somebody in this process listens, instead of a terminal.
//!
//! Whoever listens does so on the thread on which the command runs, so several can run at once. What the command's own threads
//! say, which is progress only, goes nowhere then.

use std::cell::RefCell;

/// What a command has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Its standard output.
    pub output: Vec<u8>,
    /// What it remarked on standard error, in order.
    pub remarks: Vec<Remark>,
}

/// A remark: a warning, a note, or which file was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The word before it, such as `warning:`.
    pub word: String,
    /// The remark itself.
    pub text: String,
}

thread_local! {
    static HEARD: RefCell<Option<Heard>> = const { RefCell::new(None) };
}

/// Runs a command on this thread, and hears what it says.
pub(crate) fn listen<T>(command: impl FnOnce() -> T) -> (Heard, T) {
    let outer = HEARD.replace(Some(Heard::default()));
    let result = command();
    (HEARD.replace(outer).unwrap_or_default(), result)
}

/// Whether somebody listens.
pub(crate) fn is_listening() -> bool {
    HEARD.with_borrow(Option::is_some)
}

/// Takes output, if somebody listens.
pub(crate) fn take(bytes: &[u8]) -> bool {
    HEARD.with_borrow_mut(|heard| heard.as_mut().map(|heard| heard.output.extend_from_slice(bytes))).is_some()
}

/// Takes a remark, if somebody listens.
pub(crate) fn take_remark(word: &str, text: &str) -> bool {
    let remark = || Remark { word: word.to_owned(), text: text.to_owned() };
    HEARD.with_borrow_mut(|heard| heard.as_mut().map(|heard| heard.remarks.push(remark()))).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard_by_the_one_that_listens_and_by_nobody_else() {
        assert!(!take(b"to the terminal"));
        let (heard, value) = listen(|| {
            assert!(is_listening() && take(b"an answer") && take_remark("note:", "a remark"));
            let (inner, ()) = listen(|| assert!(take(b"another")));
            assert_eq!(inner.output, b"another");
            7
        });
        let remark = Remark { word: "note:".to_owned(), text: "a remark".to_owned() };
        assert_eq!((value, heard), (7, Heard { output: b"an answer".to_vec(), remarks: vec![remark] }));
        assert!(!is_listening());
    }
}
