//! Finds a transaction by its reference number without a table of them.
//!
//! Reference numbers are given in ascending order, as the numbers of transactions are, until the day in them
//! starts again after 400 days or the counter after a hundred million. So ascending *runs* of pages are
//! searched by halves, the newest run first. A page out of order, which no decision of the core makes, is a run of
//! its own and is read through.

use serde::{Deserialize, Serialize};
use switchyard_domain::Rrn;

/// What is known of the references of one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span {
    pub(crate) first: Rrn,
    pub(crate) last: Rrn,
    pub(crate) ascending: bool,
}

impl Span {
    /// The span of a page's references; `None` of an empty page.
    pub(crate) fn over(mut references: impl Iterator<Item = Rrn>) -> Option<Self> {
        let first = references.next()?;
        let mut span = Self { first, last: first, ascending: true };
        references.for_each(|rrn| span.grow(rrn));
        Some(span)
    }
    fn grow(&mut self, rrn: Rrn) {
        self.ascending &= rrn > self.last;
        self.last = rrn;
    }
}

/// Where to look for a reference.
#[derive(Debug, Default)]
pub(crate) struct References {
    /// By page; `None` for one that was given up before the snapshot that this was loaded from.
    spans: Vec<Option<Span>>,
    /// First page of each run.
    runs: Vec<usize>,
}

impl References {
    /// Notes the reference of a new transaction on `page`, the newest one.
    pub(crate) fn push(&mut self, page: usize, rrn: Rrn) {
        if page == self.spans.len() {
            return self.push_span(Some(Span { first: rrn, last: rrn, ascending: true }));
        }
        let Some(Some(span)) = self.spans.get_mut(page) else { return };
        span.grow(rrn);
        if !span.ascending && self.runs.last() != Some(&page) {
            self.runs.push(page);
        }
    }
    /// Notes a whole page.
    pub(crate) fn push_span(&mut self, span: Option<Span>) {
        let page = self.spans.len();
        let before = self.spans.last().copied().flatten();
        let follows = match (before, span) {
            (Some(before), Some(span)) => before.ascending && span.ascending && before.last < span.first,
            (None, None) => page > 0,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !follows {
            self.runs.push(page);
        }
        self.spans.push(span);
    }
    /// Pages noted so far.
    pub(crate) fn pages_known(&self) -> usize {
        self.spans.len()
    }
    /// Pages that may hold the reference, the newest first.
    pub(crate) fn pages(&self, rrn: Rrn) -> impl Iterator<Item = usize> {
        (0..self.runs.len()).rev().filter_map(move |number| {
            let start = self.runs[number];
            let end = self.runs.get(number + 1).copied().unwrap_or(self.spans.len());
            // A run is of pages that are known or of pages that are not.
            let run = &self.spans[start..end];
            let index = run.partition_point(|span| span.is_some_and(|s| s.first <= rrn || !s.ascending));
            let page = index.checked_sub(1)?;
            let span = run[page]?;
            (!span.ascending || rrn <= span.last).then_some(start + page)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rrn(number: u64) -> Rrn {
        Rrn::try_from(&crate::machine::digits::<12>(number)[..]).unwrap()
    }
    fn pages(references: &References, number: u64) -> Vec<usize> {
        references.pages(rrn(number)).collect()
    }

    #[test]
    fn ascending_runs_are_halved_and_disorder_is_read_through() {
        let mut references = References::default();
        let numbers: [&[u64]; 6] = [&[10, 20, 30], &[40, 50], &[60, 70], &[5, 15, 45], &[44, 43], &[100]];
        for (page, numbers) in numbers.iter().enumerate() {
            numbers.iter().for_each(|n| references.push(page, rrn(*n)));
        }
        assert_eq!(references.runs, [0, 3, 4, 5]);
        assert_eq!(pages(&references, 20), [4, 3, 0]);
        assert_eq!(pages(&references, 45), [4, 3, 1]);
        assert_eq!(pages(&references, 100), [5, 4]);
        assert_eq!(pages(&references, 55), [4]);
        let mut loaded = References::default();
        for numbers in numbers {
            loaded.push_span(Span::over(numbers.iter().map(|n| rrn(*n))));
        }
        assert_eq!((loaded.spans, loaded.runs), (references.spans.clone(), references.runs.clone()));
    }

    #[test]
    fn pages_that_were_given_up_before_a_snapshot_are_not_looked_at() {
        let mut references = References::default();
        let spans = [None, None, Some(20), Some(30), None, Some(50)];
        spans
            .iter()
            .for_each(|span| references.push_span(span.and_then(|n| Span::over([rrn(n)].into_iter()))));
        references.push(6, rrn(60));
        assert_eq!(references.runs, [0, 2, 4, 5]);
        for (number, expected) in
            [(10, vec![]), (20, vec![2]), (30, vec![3]), (40, vec![]), (50, vec![5]), (60, vec![6])]
        {
            assert_eq!(pages(&references, number), expected, "{number}");
        }
    }
}
