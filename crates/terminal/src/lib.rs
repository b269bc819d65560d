//! Text that a terminal shows: every report, table and message of ours is written by this hand.
//!
//! - [`Screen`]: how wide the output is, whether it has colours, how much is told.
//! - [`Page`]: a report being written: headings, sentences, tables. Nothing on it is wider than the screen.
//! - [`Table`]: columns that are shortened, then left out in a stated order, until they fit.
//! - [`mod@unit`]: times, bytes, counts and shares, with the three digits that a reader can use.
//! - [`escape`]: names from files cannot move the cursor, forge a line or hide.
//!
//! Invariant: a string that went through a [`Page`] or a [`Table`] has no character that a terminal acts upon, whatever
//! file it came from, and no line of it is wider than the screen. What is put together by hand takes foreign names through
//! [`escape`] or [`path`].
//!
//! ```
//! use syncline_terminal::{Column, Page, Screen, Table, unit};
//!
//! let mut table = Table::new([
//!     Column::text("stage").shrinks_to(8),
//!     Column::number("time"),
//!     Column::number("tasks").dropped(1),
//! ]);
//! table.row(["map at words.scala:12".to_owned(), unit::seconds(0.012_345), unit::count(40_000)]);
//! let mut page = Page::new(&Screen::plain(40));
//! page.heading("Stages").table(&table);
//! assert_eq!(
//!     page.text(),
//!     "Stages\nstage                     time   tasks\nmap at words.scala:12  12.3 ms  40\u{202f}000\n"
//! );
//! let mut page = Page::new(&Screen::plain(30));
//! page.table(&table);
//! assert_eq!(page.text(), "stage             time   tasks\nmap at words…  12.3 ms  40\u{202f}000\n");
//! ```

mod escape;
mod page;
mod screen;
mod style;
mod table;
pub mod unit;
mod wrap;

pub use escape::{escape, json, lines, path};
pub use page::Page;
pub use screen::{Colour, Detail, Screen, UnknownColour};
pub use style::Style;
pub use table::{Cell, Column, Table};
pub use wrap::{shorten, width, wrap};
