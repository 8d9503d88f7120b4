//! Which files are tests, by where they are and what they are called in the common ecosystems.

/// Folders whose files are tests or what tests need.
const FOLDERS: [&str; 7] = ["tests", "test", "__tests__", "spec", "testdata", "fixtures", "__snapshots__"];

pub fn is_test(path: &str) -> bool {
    let mut parts: Vec<_> = path.split('/').collect();
    let Some(name) = parts.pop() else { return false };
    let stem = name.split('.').next().unwrap_or(name);
    let by_name = stem.starts_with("test_")
        || stem.ends_with("_test")
        || stem.ends_with("_tests")
        || stem == "tests"
        || stem == "conftest"
        || name.contains(".test.")
        || name.contains(".spec.")
        || ["Test.java", "Tests.java", "Test.kt", "_spec.rb"].iter().any(|end| name.ends_with(end));
    by_name || parts.iter().any(|part| FOLDERS.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_known_by_place_or_name() {
        for (path, expected) in [
            ("tests/login.rs", true),
            ("src/auth/tests.rs", true),
            ("src/auth/login_test.go", true),
            ("pkg/test_login.py", true),
            ("src/login.test.ts", true),
            ("app/__tests__/a.js", true),
            ("src/FooTest.java", true),
            ("src/contest.rs", false),
            ("src/latest/a.rs", false),
            ("src/testing.rs", false),
            ("src/login.rs", false),
        ] {
            assert_eq!(is_test(path), expected, "{path}");
        }
    }
}
