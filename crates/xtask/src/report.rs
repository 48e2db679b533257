//! What passed, what failed, what was skipped and why.

use std::time::Instant;

/// Sums over all steps; a skip is said when it happens and once more at the end.
#[derive(Debug, Default)]
pub(crate) struct Report {
    passed: u64,
    failed: u64,
    skipped: Vec<String>,
    /// What failed, each said once more at the end.
    pub(crate) failures: Vec<String>,
}

impl Report {
    /// Runs one step under a heading. The step counts as one check unless it counted its own.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce(&mut Self) -> anyhow::Result<()>) {
        println!("\n=== {name}");
        let begun = Instant::now();
        let before = (self.passed, self.failed, self.skipped.len());
        match work(self) {
            Ok(()) if before == (self.passed, self.failed, self.skipped.len()) => self.passed += 1,
            Ok(()) => {}
            Err(error) => self.fail(format!("{name}: {error:#}")),
        }
        println!("=== {name}: {:.1} s", begun.elapsed().as_secs_f64());
    }
    pub(crate) fn pass(&mut self, count: u64) {
        self.passed += count;
    }
    pub(crate) fn fail(&mut self, what: String) {
        println!("FAILED: {what}");
        self.failed += 1;
        self.failures.push(what);
    }
    pub(crate) fn fail_count(&mut self, count: u64) {
        self.failed += count;
    }
    /// A check that could not be made here, said loudly.
    pub(crate) fn skip(&mut self, what: String) {
        println!("SKIPPED: {what}");
        self.skipped.push(what);
    }
    /// Prints the end of the run; true when nothing failed.
    pub(crate) fn close(&self) -> bool {
        println!();
        for what in &self.failures {
            println!("FAILED: {what}");
        }
        for what in &self.skipped {
            println!("SKIPPED: {what}");
        }
        println!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped.len());
        self.failed == 0
    }
}
