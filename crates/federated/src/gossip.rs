//! No server: every node averages with its neighbours. x_i = sum of W_ij x_j, W symmetric and doubly stochastic.

use syncline_round::Neighbours;

use crate::Result;
use crate::error::within;

/// Who talks to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// A ring; a node keeps a third and takes a third from either side.
    Ring {
        /// Nodes, at least 3.
        nodes: usize,
    },
    /// A side x side grid that closes on itself; a fifth each.
    Torus {
        /// Nodes of one side, at least 3.
        side: usize,
    },
    /// Everybody with everybody.
    Complete {
        /// Nodes.
        nodes: usize,
    },
}

impl Topology {
    /// Of so many nodes with these neighbours.
    pub fn of(neighbours: Neighbours, nodes: usize) -> Self {
        match neighbours {
            Neighbours::Ring => Self::Ring { nodes },
            Neighbours::Torus => Self::Torus { side: nodes.isqrt() },
            Neighbours::All => Self::Complete { nodes },
        }
    }

    /// Number of nodes.
    pub fn nodes(self) -> usize {
        match self {
            Self::Ring { nodes } | Self::Complete { nodes } => nodes,
            Self::Torus { side } => side * side,
        }
    }

    /// Refuses what has too few nodes for different neighbours.
    ///
    /// # Errors
    /// Then.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Ring { nodes } => within("the number of nodes", nodes, 3, 1 << 24),
            Self::Torus { side } => within("the side of the torus", side, 3, 1 << 12),
            Self::Complete { nodes } => within("the number of nodes", nodes, 1, 1 << 24),
        }
    }

    /// The factor by which a round brings the nodes nearer to their mean, in the long run: the second largest
    /// absolute eigenvalue of W. Ring: (1 + 2 cos(2 pi j / n)) / 3; torus: (1 + 2 cos(2 pi i / s) + 2 cos(2 pi j /
    /// s)) / 5.
    pub fn contraction(self) -> f64 {
        let wave = |j: usize, n: usize| 2.0 * (2.0 * std::f64::consts::PI * j as f64 / n as f64).cos();
        let largest = |values: &mut dyn Iterator<Item = f64>| values.map(f64::abs).fold(0.0, f64::max);
        match self {
            Self::Ring { nodes } => largest(&mut (1..nodes).map(|j| (1.0 + wave(j, nodes)) / 3.0)),
            Self::Torus { side } => largest(
                &mut (1..side * side).map(|at| (1.0 + wave(at / side, side) + wave(at % side, side)) / 5.0),
            ),
            Self::Complete { .. } => 0.0,
        }
    }

    /// One round of averaging.
    ///
    /// # Panics
    /// If there are not as many values as nodes.
    pub fn average(self, values: &[f64]) -> Vec<f64> {
        assert_eq!(values.len(), self.nodes(), "one value a node");
        let n = values.len();
        match self {
            Self::Ring { .. } => {
                (0..n).map(|i| (values[(i + n - 1) % n] + values[i] + values[(i + 1) % n]) / 3.0).collect()
            }
            Self::Torus { side } => (0..n)
                .map(|at| {
                    let (row, column) = (at / side, at % side);
                    let value = |row: usize, column: usize| values[row % side * side + column % side];
                    let beside = value(row, column + 1) + value(row, column + side - 1);
                    let above_and_below = value(row + 1, column) + value(row + side - 1, column);
                    (values[at] + beside + above_and_below) / 5.0
                })
                .collect(),
            Self::Complete { .. } => vec![values.iter().sum::<f64>() / n as f64; n],
        }
    }
}
