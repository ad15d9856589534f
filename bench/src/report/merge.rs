//! JUnit files of several runners as one: the tests, split by cargo-nextest, are one result again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use fs_err as fs;
use quick_junit::{Report, TestSuite};

/// Why files cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It is no JUnit document.
    #[error("{}: not a JUnit file: {error}", path.display())]
    Junit {
        /// The file.
        path: PathBuf,
        /// Place and reason.
        error: Box<quick_junit::DeserializeError>,
    },
    /// A test was run by two runners, so the shards were not parts of one whole.
    #[error(
        "test `{case}` of `{suite}` stands in {} and in {}: these are not shards of one run; \
         give each runner a number of its own",
        files[0].display(),
        files[1].display()
    )]
    Twice {
        /// Its suite.
        suite: String,
        /// Its name.
        case: String,
        /// Where it stands; one file, if it stands there twice.
        files: [PathBuf; 2],
    },
}

/// The files as one report: suites of one name are one suite, in the order they were first met.
/// Times are added up, as one runner would have needed them.
///
/// # Errors
/// A file cannot be read, or a test stands in two of them.
pub fn merge(files: &[PathBuf]) -> Result<Report, MergeError> {
    let mut merged = Report::new("iwlbench");
    let mut seen: HashMap<(String, String), &Path> = HashMap::new();
    for path in files {
        let report = Report::deserialize_from_str(&fs::read_to_string(path)?)
            .map_err(|error| MergeError::Junit { path: path.clone(), error: Box::new(error) })?;
        merged.timestamp = earlier(merged.timestamp, report.timestamp);
        merged.time = sum(merged.time, report.time);
        for suite in report.test_suites {
            for case in &suite.test_cases {
                let name = (suite.name.to_string(), case.name.to_string());
                if let Some(first) = seen.insert(name.clone(), path) {
                    let files = [first.to_owned(), path.clone()];
                    return Err(MergeError::Twice { suite: name.0, case: name.1, files });
                }
            }
            add(&mut merged, suite);
        }
    }
    Ok(merged)
}

fn add(merged: &mut Report, suite: TestSuite) {
    merged.tests += suite.tests;
    merged.failures += suite.failures;
    merged.errors += suite.errors;
    merged.skipped += suite.skipped;
    let Some(known) = merged.test_suites.iter_mut().find(|known| known.name == suite.name) else {
        merged.test_suites.push(suite);
        return;
    };
    known.tests += suite.tests;
    known.failures += suite.failures;
    known.errors += suite.errors;
    known.skipped += suite.skipped;
    known.timestamp = earlier(known.timestamp, suite.timestamp);
    known.time = sum(known.time, suite.time);
    known.test_cases.extend(suite.test_cases);
}

fn earlier<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    a.into_iter().chain(b).min()
}

fn sum<T: std::ops::Add<Output = T>>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}
