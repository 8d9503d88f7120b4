//! Text search: ripgrep's parts over one workspace, with counts that are complete even where the lines are not.

use crate::{BadGlob, glob, shown, walk};
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkContextKind, SinkMatch};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Files larger than this are counted, not searched.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Characters kept of one line.
const LINE_CHARACTERS: usize = 300;
/// Every file gets so many of its matching lines before any gets more.
const FIRST_LINES: usize = 5;

pub struct Query<'a> {
    pub pattern: &'a str,
    /// Folders or files below the root; empty means all of it.
    pub starts: Vec<PathBuf>,
    pub glob: Option<&'a str>,
    pub n_context: usize,
    /// Matching lines kept; all are counted.
    pub max_lines: usize,
}

#[derive(Debug, Error)]
pub enum QueryError {
    #[error(transparent)]
    BadGlob(#[from] BadGlob),
    #[error("the pattern cannot be searched for: {0}")]
    BadPattern(String),
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub files: Vec<FileHits>,
    /// The pattern was no regular expression and was taken literally; why.
    pub taken_literally: Option<String>,
    pub n_searched: usize,
    /// Files left out for their size.
    pub too_large: Vec<String>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct FileHits {
    pub path: String,
    pub n_matches: usize,
    /// Matching lines with their surroundings; fewer than there are when the limit was reached.
    pub lines: Vec<Line>,
    /// A binary file matches, which counts once; its lines are not kept.
    pub is_binary: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub number: u64,
    pub text: String,
    pub is_match: bool,
}

impl FileHits {
    /// Matching lines kept.
    pub fn n_lines(&self) -> usize {
        self.lines.iter().filter(|line| line.is_match).count()
    }
}

impl Found {
    pub fn n_matches(&self) -> usize {
        self.files.iter().map(|file| file.n_matches).sum()
    }
}

/// Searches below `root`, which must be a real directory.
pub fn search(root: &Path, query: &Query<'_>) -> Result<Found, QueryError> {
    let (matcher, taken_literally) = matcher(query.pattern)?;
    let glob = query.glob.map(glob).transpose()?;
    let mut searchers = SearcherBuilder::new();
    searchers
        // A file with a NUL is searched on, so that a hit behind it is found.
        .binary_detection(BinaryDetection::convert(0))
        .before_context(query.n_context)
        .after_context(query.n_context)
        .line_number(true);
    let look = Look { searchers, matcher };
    let mut searcher = look.searchers.build();
    let mut found = Found { taken_literally, ..Found::default() };
    let mut wanted = Vec::new();
    let mut seen = BTreeSet::new();
    let starts = if query.starts.is_empty() { vec![PathBuf::new()] } else { query.starts.clone() };
    for start in starts {
        for entry in walk(&root.join(start)).build().flatten() {
            let path = shown(root, entry.path());
            let is_wanted = entry.file_type().is_some_and(|kind| kind.is_file())
                && glob.as_ref().is_none_or(|glob| glob.is_match(&path));
            if is_wanted && seen.insert(entry.path().to_path_buf()) {
                wanted.push((path, entry.into_path()));
            }
        }
    }
    let mut n_left = query.max_lines;
    for (seen, (path, place)) in look.files(&wanted).into_iter().zip(&wanted) {
        let Some(mut hits) = seen else {
            found.too_large.push(path.clone());
            continue;
        };
        found.n_searched += 1;
        if hits.n_matches == 0 {
            continue;
        }
        if hits.n_lines() > n_left {
            hits.lines = look.file(&mut searcher, place, n_left).lines;
        }
        n_left -= hits.n_lines().min(n_left);
        found.files.push(FileHits { path: path.clone(), ..hits });
    }
    // What no file needed for its first lines goes to those that have more, in order.
    let place_of: HashMap<&String, &PathBuf> = wanted.iter().map(|(path, place)| (path, place)).collect();
    for file in &mut found.files {
        if let Some(place) = place_of.get(&file.path)
            && n_left > 0
            && !file.is_binary
            && file.n_matches > file.n_lines()
        {
            let n_had = file.n_lines();
            file.lines = look.file(&mut searcher, place, n_left + n_had).lines;
            n_left -= file.n_lines().saturating_sub(n_had).min(n_left);
        }
    }
    Ok(found)
}

/// A search ready to look at files.
struct Look {
    searchers: SearcherBuilder,
    matcher: RegexMatcher,
}

impl Look {
    /// The first hits of each file, on every core; `None` for a file that is too large.
    fn files(&self, wanted: &[(String, PathBuf)]) -> Vec<Option<FileHits>> {
        let n_threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let each = wanted.len().div_ceil(n_threads).max(1);
        let first = |searcher: &mut Searcher, place: &Path| {
            let is_too_large = place.metadata().is_ok_and(|metadata| metadata.len() > FILE_BYTES_MAX);
            (!is_too_large).then(|| self.file(searcher, place, FIRST_LINES))
        };
        let part_of = |part: &[(String, PathBuf)]| {
            let mut searcher = self.searchers.build();
            part.iter().map(|(_, place)| first(&mut searcher, place)).collect::<Vec<_>>()
        };
        std::thread::scope(|scope| {
            let parts: Vec<_> =
                wanted.chunks(each).map(|part| (part.len(), scope.spawn(move || part_of(part)))).collect();
            // A part that panicked counts as files without hits; the search goes on.
            let nothing = |n| (0..n).map(|_| Some(FileHits::default())).collect();
            parts.into_iter().flat_map(|(n, part)| part.join().unwrap_or_else(|_| nothing(n))).collect()
        })
    }

    fn file(&self, searcher: &mut Searcher, path: &Path, max_lines: usize) -> FileHits {
        let mut sink = Collect { hits: FileHits::default(), max_lines };
        // A file that cannot be read has no hits; the walk goes on.
        let _ = searcher.search_path(&self.matcher, path, &mut sink);
        sink.hits
    }
}

fn matcher(pattern: &str) -> Result<(RegexMatcher, Option<String>), QueryError> {
    let build = |literal| RegexMatcherBuilder::new().fixed_strings(literal).line_terminator(Some(b'\n')).build(pattern);
    match build(false) {
        Ok(matcher) => Ok((matcher, None)),
        Err(error) => {
            let why = error.to_string().lines().last().unwrap_or_default().to_owned();
            build(true).map(|matcher| (matcher, Some(why))).map_err(|error| QueryError::BadPattern(error.to_string()))
        }
    }
}

struct Collect {
    hits: FileHits,
    max_lines: usize,
}

impl Collect {
    fn keep(&mut self, number: Option<u64>, bytes: &[u8], is_match: bool) {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end_matches(['\n', '\r']);
        let mut kept: String = text.chars().take(LINE_CHARACTERS).collect();
        if kept.len() < text.len() {
            kept.push('…');
        }
        self.hits.lines.push(Line { number: number.unwrap_or(0), text: kept, is_match });
    }
}

impl Sink for Collect {
    type Error = std::io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> Result<bool, Self::Error> {
        self.hits.n_matches += 1;
        if self.hits.is_binary {
            return Ok(false);
        }
        if self.hits.n_matches <= self.max_lines {
            self.keep(found.line_number(), found.bytes(), true);
        }
        Ok(true)
    }

    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> Result<bool, Self::Error> {
        let belongs_to_kept = match context.kind() {
            SinkContextKind::Before => self.hits.n_matches < self.max_lines,
            SinkContextKind::After | SinkContextKind::Other => self.hits.n_matches <= self.max_lines,
        };
        if belongs_to_kept && self.max_lines > 0 && !self.hits.is_binary {
            self.keep(context.line_number(), context.bytes(), false);
        }
        Ok(true)
    }

    /// Comes once, before or behind the first matches.
    fn binary_data(&mut self, _: &Searcher, _: u64) -> Result<bool, Self::Error> {
        self.hits.is_binary = true;
        self.hits.lines.clear();
        self.hits.n_matches = self.hits.n_matches.min(1);
        Ok(self.hits.n_matches == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &[u8]| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("src/a.rs", b"fn one() {}\nfn two() {}\n");
        write("src/b.py", b"def one(): pass\n");
        write("ignored/c.rs", b"fn one() {}\n");
        write(".gitignore", b"ignored/\n");
        write(".git/config", b"fn one() {}\n");
        write("data.bin", b"one\0two\n");
        dir
    }

    fn paths(query: &Query<'_>) -> Vec<(String, usize)> {
        let dir = workspace();
        search(dir.path(), query).unwrap().files.into_iter().map(|file| (file.path, file.n_matches)).collect()
    }

    fn query(pattern: &str) -> Query<'_> {
        Query { pattern, starts: Vec::new(), glob: None, n_context: 0, max_lines: 100 }
    }

    #[test]
    fn ignored_files_and_git_stay_out() {
        let expected = [("data.bin", 1), ("src/a.rs", 1), ("src/b.py", 1)];
        assert_eq!(paths(&query("one")), expected.map(|(path, n)| (path.to_owned(), n)));
    }

    #[test]
    fn starts_that_overlap_count_once() {
        let starts = vec![PathBuf::from("src"), PathBuf::from("src/a.rs")];
        assert_eq!(paths(&Query { starts, ..query("two") }), [("src/a.rs".to_owned(), 1)]);
    }

    #[test]
    fn a_binary_file_is_found_on_both_sides_of_its_nul() {
        let dir = workspace();
        std::fs::write(dir.path().join("late.bin"), format!("{}\0", "late\n".repeat(40_000))).unwrap();
        for (pattern, path) in [("two$", "data.bin"), ("late", "late.bin")] {
            let found = search(dir.path(), &query(pattern)).unwrap();
            let expected = FileHits { path: path.to_owned(), n_matches: 1, lines: Vec::new(), is_binary: true };
            assert_eq!(found.files, [expected]);
        }
    }

    #[test]
    fn every_file_gets_its_first_lines_before_any_gets_more() {
        let dir = workspace();
        for name in ["many-a", "many-b", "many-c"] {
            std::fs::write(dir.path().join(name), "needle\n".repeat(9)).unwrap();
        }
        let shown = |max_lines| {
            let found = search(dir.path(), &Query { max_lines, ..query("needle") }).unwrap();
            found.files.iter().map(FileHits::n_lines).collect::<Vec<_>>()
        };
        assert_eq!(shown(100), [9, 9, 9]);
        assert_eq!(shown(20), [9, 6, 5]);
        assert_eq!(shown(15), [5, 5, 5]);
        assert_eq!(shown(7), [5, 2, 0]);
    }

    #[test]
    fn a_glob_without_slash_holds_everywhere() {
        assert_eq!(paths(&Query { glob: Some("*.rs"), ..query("one") }), [("src/a.rs".to_owned(), 1)]);
    }

    #[test]
    fn a_broken_expression_is_taken_literally() {
        let dir = workspace();
        let found = search(dir.path(), &query("one(")).unwrap();
        assert!(found.taken_literally.is_some());
        assert_eq!(found.n_matches(), 2);
    }

    #[test]
    fn everything_is_counted_where_lines_are_cut() {
        let dir = workspace();
        let found = search(dir.path(), &Query { max_lines: 1, ..query("fn") }).unwrap();
        let file = found.files.first().unwrap();
        assert_eq!((file.n_matches, file.lines.len()), (2, 1));
    }
}
