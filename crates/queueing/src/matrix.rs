//! Dense linear systems of the few hundred unknowns that Markov chains of this crate have.

/// A square matrix, row by row.
#[derive(Debug, Clone)]
pub(crate) struct Matrix {
    size: usize,
    cells: Vec<f64>,
}

impl Matrix {
    pub(crate) fn zero(size: usize) -> Self {
        Self { size, cells: vec![0.0; size * size] }
    }

    pub(crate) fn add(&mut self, row: usize, column: usize, value: f64) {
        self.cells[row * self.size + column] += value;
    }

    pub(crate) fn get(&self, row: usize, column: usize) -> f64 {
        self.cells[row * self.size + column]
    }

    pub(crate) fn transpose(&self) -> Self {
        let mut turned = Self::zero(self.size);
        for row in 0..self.size {
            for column in 0..self.size {
                turned.cells[column * self.size + row] = self.get(row, column);
            }
        }
        turned
    }

    /// Solves `self * x = right` by elimination with row pivoting; the matrices here are never singular,
    /// because each comes from a chain with a way out.
    pub(crate) fn solve(mut self, mut right: Vec<f64>) -> Vec<f64> {
        for step in 0..self.size {
            self.pivot(step, &mut right);
            for row in step + 1..self.size {
                self.eliminate(step, row, &mut right);
            }
        }
        self.substitute(right)
    }

    /// Solves `x * self = left`.
    pub(crate) fn solve_left(&self, left: Vec<f64>) -> Vec<f64> {
        self.transpose().solve(left)
    }

    fn pivot(&mut self, step: usize, right: &mut [f64]) {
        let size = self.size;
        let largest = (step..size)
            .max_by(|&a, &b| self.get(a, step).abs().total_cmp(&self.get(b, step).abs()))
            .unwrap_or(step);
        if largest != step {
            let (upper, lower) = self.cells.split_at_mut(largest * size);
            upper[step * size..(step + 1) * size].swap_with_slice(&mut lower[..size]);
            right.swap(step, largest);
        }
    }

    fn eliminate(&mut self, step: usize, row: usize, right: &mut [f64]) {
        let factor = self.get(row, step) / self.get(step, step);
        if factor == 0.0 {
            return;
        }
        let (upper, lower) = self.cells.split_at_mut(row * self.size);
        let source = &upper[step * self.size + step..(step + 1) * self.size];
        for (cell, &above) in lower[step..self.size].iter_mut().zip(source) {
            *cell -= factor * above;
        }
        right[row] -= factor * right[step];
    }

    fn substitute(&self, mut right: Vec<f64>) -> Vec<f64> {
        for row in (0..self.size).rev() {
            let known: f64 = (row + 1..self.size).map(|column| self.get(row, column) * right[column]).sum();
            right[row] = (right[row] - known) / self.get(row, row);
        }
        right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_that_needs_a_pivot_is_solved() {
        let mut matrix = Matrix::zero(2);
        matrix.add(0, 1, 2.0);
        matrix.add(1, 0, 4.0);
        matrix.add(1, 1, 1.0);
        assert_eq!(matrix.clone().solve(vec![6.0, 11.0]), vec![2.0, 3.0]);
        assert_eq!(matrix.solve_left(vec![8.0, 4.0]), vec![1.0, 2.0]);
    }
}
