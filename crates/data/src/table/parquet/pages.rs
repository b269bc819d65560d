//! The pages of a column, which the decoder holds whole: how large they are is bounded for one and for all columns.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};

/// Bytes of the pages that are open at a time, of all columns: writers make pages of about a megabyte.
const MOST_BYTES: usize = 2 << 30;

/// The bytes of all pages that are held, and how many may be.
#[derive(Clone)]
pub(super) struct Budget {
    held: Arc<AtomicUsize>,
    most: usize,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { held: Arc::default(), most: MOST_BYTES }
    }
}

/// The pages of one column, on a budget that it shares with others.
pub(super) struct Bounded {
    pages: Box<dyn PageReader>,
    budget: Budget,
    /// The bytes of its dictionary, which stays, and of its last page.
    dictionary: usize,
    page: usize,
}

impl Bounded {
    pub(super) fn new(pages: Box<dyn PageReader>, budget: &Budget) -> Bounded {
        Bounded { pages, budget: budget.clone(), dictionary: 0, page: 0 }
    }

    fn take(&mut self, page: Page) -> Result<Page> {
        let bytes = page.buffer().len();
        let place = match page {
            Page::DictionaryPage { .. } => &mut self.dictionary,
            _ => &mut self.page,
        };
        // Only this thread counts: what is read is what was written.
        let held = self.budget.held.load(Ordering::Relaxed) - *place + bytes;
        self.budget.held.store(held, Ordering::Relaxed);
        *place = bytes;
        match held > self.budget.most {
            true => Err(ParquetError::General(format!(
                "its pages are too large: more than {} MiB of them would be open at a time",
                self.budget.most >> 20
            ))),
            false => Ok(page),
        }
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.dictionary + self.page, Ordering::Relaxed);
    }
}

impl Iterator for Bounded {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Bounded {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.pages.get_next_page()?.map(|page| self.take(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use parquet::basic::Encoding;

    /// Pages of a mebibyte.
    struct Endless;

    impl Iterator for Endless {
        type Item = Result<Page>;

        fn next(&mut self) -> Option<Result<Page>> {
            self.get_next_page().transpose()
        }
    }

    impl PageReader for Endless {
        fn get_next_page(&mut self) -> Result<Option<Page>> {
            Ok(Some(Page::DataPage {
                buf: vec![0; 1 << 20].into(),
                num_values: 1,
                encoding: Encoding::PLAIN,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            }))
        }

        fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
            Ok(None)
        }

        fn skip_next_page(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn columns_share_a_budget_and_one_page_follows_another() {
        let budget = Budget { held: Arc::default(), most: 3 << 20 };
        let column = || Bounded::new(Box::new(Endless), &budget);
        let mut columns = [column(), column(), column()];
        for _ in 0..5 {
            assert!(
                columns.iter_mut().all(|column| column.get_next_page().is_ok()),
                "the last page is let go"
            );
        }
        let mut fourth = column();
        let error = fourth.get_next_page().unwrap_err().to_string();
        assert!(error.contains("more than 3 MiB of them would be open"), "{error}");
        drop((columns, fourth));
        assert!(column().get_next_page().is_ok());
    }
}
