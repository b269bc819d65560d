//! Where the command's text is read: the options that say so, and the screens that follow from them.

use std::cell::Cell;

use clap::ValueEnum;
use syncline_terminal::{Colour, Detail, Screen};

/// What every command takes.
#[derive(clap::Args, Clone, Copy, Default)]
pub struct Args {
    /// Answer only: no progress, no remarks
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Terminal")]
    quiet: bool,
    /// Tell more: every row of every table, and what is being done
    #[arg(short, long, global = true, help_heading = "Terminal")]
    verbose: bool,
    /// Do not shorten lines and tables to the width of the terminal
    #[arg(long, global = true, help_heading = "Terminal")]
    wide: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t, help_heading = "Terminal")]
    color: ColourName,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum ColourName {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Also into a file or a pipe
    Always,
    /// Not at all
    Never,
}

impl From<ColourName> for Colour {
    fn from(name: ColourName) -> Self {
        match name {
            ColourName::Auto => Self::Auto,
            ColourName::Always => Self::Always,
            ColourName::Never => Self::Never,
        }
    }
}

impl Args {
    fn detail(self) -> Detail {
        match (self.quiet, self.verbose) {
            (true, _) => Detail::Quiet,
            (_, true) => Detail::Verbose,
            _ => Detail::Normal,
        }
    }

    fn fit(self, screen: Screen) -> Screen {
        let screen = screen.with_detail(self.detail());
        if self.wide { screen.unlimited() } else { screen }
    }
}

thread_local! {
    // Set when the command line has been read; before that, and so for its errors, the defaults hold.
    static ARGS: Cell<Option<Args>> = const { Cell::new(None) };
}

/// Keeps what the command line says of the screen.
pub fn set(args: &Args) {
    ARGS.set(Some(*args));
}

fn args() -> Args {
    ARGS.get().unwrap_or_default()
}

/// Standard output.
pub fn stdout() -> Screen {
    let args = args();
    args.fit(Screen::stdout(args.color.into()))
}

/// Standard error.
pub fn stderr() -> Screen {
    let args = args();
    args.fit(Screen::stderr(args.color.into()))
}

/// How much is to be told.
pub fn detail() -> Detail {
    args().detail()
}
