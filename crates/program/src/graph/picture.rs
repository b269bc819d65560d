//! A program's graph for people: text for a terminal, SVG for a page.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::colocation::{self, Shared};
use super::outline::Kind;
use super::program::Group;
use crate::OnFailure;

/// Height of a box and the gap below it, in pixels.
const ROW: usize = 64;
/// Width of a box, and of a column with the gap beside it.
const BOX: usize = 180;
const COLUMN: usize = 280;
const MARGIN: usize = 20;

/// The groups of a program and who is said to use whom.
///
/// ```
/// # use syncline_program::Program;
/// # use syncline_wire::service;
/// # #[service]
/// # trait Count { async fn add(&self, by: u64) -> u64; }
/// # struct Counter;
/// # #[service]
/// # impl Count for Counter { async fn add(&self, by: u64) -> u64 { by } }
/// let mut program = Program::<()>::new("count");
/// let counters = program.group("counter", 2).serve(|_| Ok(Counter));
/// program.group("worker", 3).uses(&counters).run(async move |_| Ok(()));
/// let graph = program.graph();
/// assert_eq!(graph.to_string(), "count\n  counter  2 services\n  worker   3 nodes -> counter\n");
/// assert!(graph.to_svg().starts_with("<svg"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    program: String,
    groups: Vec<Vertex>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Vertex {
    label: String,
    what: String,
    uses: Vec<String>,
}

impl Graph {
    pub(crate) fn of(program: &str, groups: &[Group], colocations: &[Shared], has_driver: bool) -> Self {
        let vertex = |group: &Group| Vertex::of(group, colocation::within(colocations, group.label.as_str()));
        let mut vertices: Vec<_> = groups.iter().map(vertex).collect();
        if has_driver {
            let (label, what) = ("driver".to_owned(), "in the launcher".to_owned());
            vertices.push(Vertex { label, what, uses: Vec::new() });
        }
        // A handle of another program is no edge of this one.
        let known: Vec<_> = vertices.iter().map(|vertex| vertex.label.clone()).collect();
        vertices.iter_mut().for_each(|vertex| vertex.uses.retain(|used| known.contains(used)));
        Self { program: program.to_owned(), groups: vertices }
    }

    /// The labels of the groups that the nodes of `label` are said to use.
    pub fn inputs(&self, label: &str) -> Vec<&str> {
        let group = self.groups.iter().find(|group| group.label == label);
        group.map_or(Vec::new(), |group| group.uses.iter().map(String::as_str).collect())
    }

    /// A picture: who is used stands to the left of whoever uses it, as far as there is no circle.
    pub fn to_svg(&self) -> String {
        let places = self.places();
        let columns = places.values().map(|(column, _)| column + 1).max().unwrap_or(1);
        let rows = places.values().map(|(_, row)| row + 1).max().unwrap_or(1);
        let (width, height) = (columns * COLUMN - (COLUMN - BOX) + 2 * MARGIN, rows * ROW + 2 * MARGIN);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n<title>{}</title>\n\
             <style>rect{{fill:#eef3f8;stroke:#4a6a8a}} path{{fill:none;stroke:#4a6a8a}} \
             @media(prefers-color-scheme:dark){{rect{{fill:#223}} text{{fill:#eee}}}}</style>\n",
            escaped(&self.program)
        );
        for group in &self.groups {
            let (x, y) = corner(places[group.label.as_str()]);
            for used in &group.uses {
                let (to_x, to_y) = corner(places[used.as_str()]);
                let (from, to) = ((x, y + ROW / 3), (to_x + BOX, to_y + ROW / 3));
                let bend = (from.0 + to.0) / 2;
                // Writing to a string cannot fail; so below.
                let _ = writeln!(
                    svg,
                    "<path d=\"M{} {} C{bend} {} {bend} {} {} {}\"><title>{} uses {}</title></path>",
                    from.0,
                    from.1,
                    from.1,
                    to.1,
                    to.0,
                    to.1,
                    escaped(&group.label),
                    escaped(used)
                );
            }
        }
        for group in &self.groups {
            let (x, y) = corner(places[group.label.as_str()]);
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{BOX}\" height=\"{}\" rx=\"6\"/><text x=\"{}\" y=\"{}\" \
                 font-weight=\"bold\">{}</text><text x=\"{}\" y=\"{}\">{}</text>",
                ROW - 20,
                x + 10,
                y + 18,
                escaped(&group.label),
                x + 10,
                y + 35,
                escaped(&group.what)
            );
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// The column and row of each group: one column to the right of the rightmost that it uses.
    fn places(&self) -> BTreeMap<&str, (usize, usize)> {
        let mut columns: BTreeMap<&str, usize> =
            self.groups.iter().map(|group| (group.label.as_str(), 0)).collect();
        // So many turns settle any graph without a circle, and end one with a circle somewhere.
        for _ in 0..self.groups.len() {
            for group in &self.groups {
                let right = group.uses.iter().map(|used| columns[used.as_str()] + 1).max().unwrap_or(0);
                let right = right.min(self.groups.len().saturating_sub(1));
                columns.insert(&group.label, right);
            }
        }
        let mut rows = vec![0; self.groups.len().max(1)];
        let mut place = |group: &Vertex| {
            let column = columns[group.label.as_str()];
            rows[column] += 1;
            (column, rows[column] - 1)
        };
        self.groups.iter().map(|group| (group.label.as_str(), place(group))).collect()
    }
}

impl Vertex {
    fn of(group: &Group, colocation: Option<&str>) -> Self {
        let count = group.nodes.len();
        let plural = if count == 1 { "" } else { "s" };
        let mut what = match group.kind {
            Kind::Nodes => format!("{count} node{plural}"),
            Kind::Services => format!("{count} service{plural}"),
            Kind::Here | Kind::Colocation => "in the launcher".to_owned(),
        };
        if let Some(colocation) = colocation {
            what = format!("{what} in {colocation}");
        }
        let needs = group.resources.to_string();
        if !needs.is_empty() {
            what = format!("{what} of {needs}");
        }
        if group.policy != OnFailure::Stop {
            what = format!("{what}, on failure {}", group.policy);
        }
        let mut uses: Vec<_> = group.uses.iter().map(|name| name.label().to_string()).collect();
        uses.sort_unstable();
        uses.dedup();
        Self { label: group.label.to_string(), what, uses }
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.groups.iter().map(|group| group.label.len()).max().unwrap_or(0);
        writeln!(f, "{}", self.program)?;
        for Vertex { label, what, uses } in &self.groups {
            write!(f, "  {label:widest$}  {what}")?;
            if !uses.is_empty() {
                write!(f, " -> {}", uses.join(", "))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

fn corner((column, row): (usize, usize)) -> (usize, usize) {
    (MARGIN + column * COLUMN, MARGIN + row * ROW)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
