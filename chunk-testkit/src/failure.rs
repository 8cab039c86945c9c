//! What a rule reports when it is broken.

use std::any::Any;
use std::fmt;

use chunk_core::{DatasetInfo, Error, Scalar, Slab};

/// What came of a rule.
pub type Outcome = Result<(), Failure>;

/// A broken rule: which, of what, on which slab, what was expected and what was found.
///
/// ```
/// use chunk_testkit::Failure;
///
/// let failure = Failure::new("x.raw", "an error that names the path", "Ok").of_rule("missing_files_give_errors");
/// assert!(failure.to_string().contains("rule      missing_files_give_errors"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    rule: &'static str,
    subject: String,
    place: Option<String>,
    expected: String,
    found: String,
    hint: Option<&'static str>,
}

impl Failure {
    /// `subject`, a dataset or a backend, should do what is `expected` and did what was `found`.
    #[must_use]
    pub fn new(subject: impl fmt::Display, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Failure {
            rule: "",
            subject: subject.to_string(),
            place: None,
            expected: expected.to_string(),
            found: found.to_string(),
            hint: None,
        }
    }

    /// On this slab, in this file, with these threads: where it was seen.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(match self.place {
            Some(inner) => format!("{place}, {inner}"),
            None => place.to_string(),
        });
        self
    }

    /// Of the rule of this name.
    #[must_use]
    pub fn of_rule(mut self, rule: &'static str) -> Self {
        self.rule = rule;
        self
    }

    /// With the word of the [`Description`](crate::Description) that a backend says whose format cannot do this.
    #[must_use]
    pub fn unless(mut self, word: &'static str) -> Self {
        self.hint = Some(word);
        self
    }

    /// The name of the rule, if it came through [`Rule::check`](crate::Rule::check).
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "a rule is broken")?;
        if !self.rule.is_empty() {
            writeln!(f, "rule      {}", self.rule)?;
        }
        writeln!(f, "by        {}", self.subject)?;
        if let Some(place) = &self.place {
            writeln!(f, "at        {place}")?;
        }
        writeln!(f, "expected  {}", self.expected)?;
        write!(f, "found     {}", self.found)?;
        match self.hint {
            Some(word) => write!(f, "\nunless    the format cannot: then say `{word}` in its description"),
            None => Ok(()),
        }
    }
}

/// As it is displayed, so that a test that returns it is readable.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failure {}

/// Fails unless `holds`.
pub(crate) fn ensure(holds: bool, failure: impl FnOnce() -> Failure) -> Outcome {
    if holds { Ok(()) } else { Err(failure()) }
}

/// The value, or a failure that shows the error with its causes.
pub(crate) fn works<T>(result: chunk_core::Result<T>, subject: impl fmt::Display, what: &str) -> Result<T, Failure> {
    result.map_err(|error| Failure::new(subject, format!("{what} works"), shown(&error)))
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    format!("the panic {text:?}")
}

/// An error with all its causes.
pub(crate) fn shown(error: &Error) -> String {
    format!("the error {:?}", error.report())
}

/// Fails if the packed bytes of `slab` are not those expected, naming the first element that differs.
pub(crate) fn same_bytes(info: &DatasetInfo, slab: &Slab, found: &[u8], expected: &[u8]) -> Outcome {
    if found == expected {
        return Ok(());
    }
    let size = info.dtype.size().max(1);
    let differs = |index: &usize| found.chunks(size).nth(*index) != expected.chunks(size).nth(*index);
    let elements = found.len().max(expected.len()).div_ceil(size);
    let pairs = found.chunks(size).zip(expected.chunks(size));
    let wrong = pairs.filter(|(found, expected)| found != expected).count();
    let first = (0..elements).find(differs).unwrap_or(0);
    let element = |bytes: &[u8]| {
        let bytes = bytes.chunks(size).nth(first).unwrap_or(&[]);
        let value = Scalar::from_bytes(info.dtype.clone(), bytes).map_or(String::new(), |scalar| format!("{scalar} "));
        format!("{value}(bytes {bytes:02x?})")
    };
    let position = slab.positions().nth(first).unwrap_or_default();
    Err(Failure::new(
        &info.name,
        format!("{} at element {position:?}", element(expected)),
        format!("{}; {wrong} of {elements} elements differ", element(found)),
    )
    .at(format!("slab {slab}")))
}
