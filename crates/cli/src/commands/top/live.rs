//! The live view: what is seen, drawn again and again until the user or the program has enough.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, channel, sync_channel},
    thread,
    time::Duration,
};

use ratatui::{
    DefaultTerminal, Frame,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    layout::{Constraint, Layout},
    style::Stylize,
    text::Line,
    widgets::Paragraph,
};
use syncline::program::live::{Viewer, Watch};
use syncline_terminal::{Page, Screen};

use super::seen::Seen;
use crate::{failure::Failure, output::print};

/// How long news may wait to be drawn.
const PULSE: Duration = Duration::from_millis(50);

/// Rows of a table that are drawn; one can scroll through them.
const ROWS: usize = 1000;

/// Why the view ends.
enum End {
    /// The user has seen enough.
    Left,
    /// The program does not answer any more.
    Gone,
}

/// Shows the program until it ends or the user leaves.
pub fn show(viewer: &Viewer, interval: Duration) -> Result<(), Failure> {
    let mut watch = Watch::default();
    let first = Seen::now(viewer, &mut watch).map_err(Failure::failed)?;
    let program = first.snapshot.program.clone();
    // Puts the terminal back also when something panics.
    let mut terminal = ratatui::try_init().map_err(in_terminal)?;
    let ended = thread::scope(|scope| {
        let (seen, news) = sync_channel(1);
        let (_leave, left) = channel();
        // Looking may take long, and keys should not have to wait for it.
        scope.spawn(move || look(viewer, watch, interval, &seen, &left));
        View { seen: first, is_silent: false, scrolled: 0 }.run(&mut terminal, &news)
    });
    let restored = ratatui::try_restore();
    let end = ended.and_then(|end| restored.map(|()| end)).map_err(in_terminal)?;
    match end {
        End::Left => Ok(()),
        End::Gone => print(&format!("{program} has ended")),
    }
}

/// Looks again and again until the user has left or the program is gone; tells nothing where it does not answer.
fn look(
    viewer: &Viewer,
    mut watch: Watch,
    interval: Duration,
    seen: &SyncSender<Option<Seen>>,
    left: &Receiver<()>,
) {
    // Nothing is ever sent: the other end goes when the user leaves.
    while left.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
        let now = Seen::now(viewer, &mut watch).ok();
        let is_gone = now.is_none() && !viewer.directory().exists();
        if is_gone || seen.send(now).is_err() {
            return;
        }
    }
}

fn in_terminal(error: io::Error) -> Failure {
    Failure::Failed(format!("cannot draw in this terminal: {error}; --once prints what is seen"))
}

/// What is on the screen.
struct View {
    seen: Seen,
    /// Whether the program did not answer last.
    is_silent: bool,
    /// Lines that have been scrolled away at the top.
    scrolled: u16,
}

impl View {
    fn run(mut self, terminal: &mut DefaultTerminal, news: &Receiver<Option<Seen>>) -> io::Result<End> {
        loop {
            terminal.draw(|frame| self.draw(frame))?;
            loop {
                match news.try_recv() {
                    Ok(seen) => {
                        self.is_silent = seen.is_none();
                        self.seen = seen.unwrap_or(self.seen);
                        break;
                    }
                    Err(TryRecvError::Empty) => {}
                    Err(TryRecvError::Disconnected) => return Ok(End::Gone),
                }
                // The wait is for keys and not for news: where a key and a change of size lie between two looks for them,
                // crossterm's source of events tells the key with the next one only.
                if event::poll(PULSE)? {
                    match event::read()? {
                        Event::Key(key) if key.kind != KeyEventKind::Release => {
                            if leaves(key) {
                                return Ok(End::Left);
                            }
                            self.scroll(key);
                            break;
                        }
                        Event::Resize(..) => break,
                        _ => {}
                    }
                }
            }
        }
    }

    fn scroll(&mut self, key: KeyEvent) {
        self.scrolled = match key.code {
            KeyCode::Down | KeyCode::Char('j') => self.scrolled.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.scrolled.saturating_sub(1),
            KeyCode::PageDown => self.scrolled.saturating_add(10),
            KeyCode::PageUp => self.scrolled.saturating_sub(10),
            KeyCode::Home => 0,
            _ => self.scrolled,
        };
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let [body, foot] = Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
        let mut page = Page::new(&Screen::plain(usize::from(body.width)));
        self.seen.write(&mut page, ROWS);
        let lines: Vec<Line<'_>> = page.text().lines().map(styled).collect();
        let most = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_sub(body.height);
        self.scrolled = self.scrolled.min(most);
        frame.render_widget(Paragraph::new(lines).scroll((self.scrolled, 0)), body);
        let more = if self.scrolled < most { "  more below" } else { "" };
        let silent = if self.is_silent { "it does not answer; " } else { "" };
        let keys = Line::from(format!("{silent}q leaves, arrows scroll{more}")).dim();
        frame.render_widget(Paragraph::new(keys), foot);
    }
}

/// The first line and the heads of tables stand out, and what has failed does.
fn styled(line: &str) -> Line<'_> {
    let is_head = line.starts_with("node ") || line.starts_with("caller ");
    match line {
        _ if is_head => Line::from(line).bold().underlined(),
        _ if line.contains(" failed ") => Line::from(line).red(),
        _ if line.contains(" on ") && line.contains(", process ") => Line::from(line).bold(),
        _ => Line::from(line),
    }
}

fn leaves(key: KeyEvent) -> bool {
    let is_ctrl_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    is_ctrl_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}
