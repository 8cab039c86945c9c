//! The literals of Python that headers are written in: parsed by a grammar of our own, never evaluated.

use std::fmt::Write as _;
use std::ops::Range;

/// A literal and where it stands in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    pub(crate) value: Value,
    /// Bytes of the text, without the space around.
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    /// Python's integers have no end; one beyond this is refused.
    Int(i128),
    Text(String),
    List(Vec<Literal>),
    Tuple(Vec<Literal>),
    /// Keys are texts.
    Dict(Vec<(String, Literal)>),
}

/// Nested deeper than any dtype that is meant seriously: parsing is recursive.
const DEEPEST: usize = 32;

type Parsed<T> = Result<T, String>;

/// The one literal that `text` holds, with space around it.
pub(crate) fn parse(text: &str) -> Parsed<Literal> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let literal = parser.literal()?;
    parser.skip_space();
    if parser.at < text.len() {
        return Err(parser.fault("the end"));
    }
    Ok(literal)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn literal(&mut self) -> Parsed<Literal> {
        self.skip_space();
        let start = self.at;
        let value = self.value()?;
        Ok(Literal { value, span: start..self.at })
    }

    fn value(&mut self) -> Parsed<Value> {
        match self.peek() {
            Some('{') => self.nested(Self::dict),
            Some('[') => self.nested(|parser| Ok(Value::List(parser.items('[', ']')?.0))),
            Some('(') => self.nested(Self::tuple),
            Some('\'' | '"') => Ok(Value::Text(self.string()?)),
            Some('0'..='9' | '-' | '+') => self.integer(),
            _ => self.word(),
        }
    }

    fn nested(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<Value>) -> Parsed<Value> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("it is nested deeper than {DEEPEST} levels"));
        }
        let value = parse(self);
        self.depth -= 1;
        value
    }

    fn dict(&mut self) -> Parsed<Value> {
        self.expect('{')?;
        let mut entries: Vec<(String, Literal)> = Vec::new();
        while !self.closes('}') {
            let key = self.literal()?;
            let Value::Text(key) = key.value else { return Err("a key of the dictionary is not a text".to_owned()) };
            if entries.iter().any(|(known, _)| *known == key) {
                return Err(format!("the key {key:?} is there twice"));
            }
            self.skip_space();
            self.expect(':')?;
            entries.push((key, self.literal()?));
            if !self.separated('}')? {
                break;
            }
        }
        self.expect('}')?;
        Ok(Value::Dict(entries))
    }

    /// A tuple, or one literal in parentheses.
    fn tuple(&mut self) -> Parsed<Value> {
        let (mut items, comma) = self.items('(', ')')?;
        if items.len() == 1 && !comma { Ok(items.remove(0).value) } else { Ok(Value::Tuple(items)) }
    }

    /// What stands between brackets, and whether a comma follows the last of it.
    fn items(&mut self, open: char, close: char) -> Parsed<(Vec<Literal>, bool)> {
        self.expect(open)?;
        let (mut items, mut comma) = (Vec::new(), false);
        while !self.closes(close) {
            items.push(self.literal()?);
            comma = self.separated(close)?;
            if !comma {
                break;
            }
        }
        self.expect(close)?;
        Ok((items, comma))
    }

    fn closes(&mut self, close: char) -> bool {
        self.skip_space();
        self.peek() == Some(close)
    }

    /// Takes a comma; without one `close` must follow.
    fn separated(&mut self, close: char) -> Parsed<bool> {
        self.skip_space();
        match self.peek() {
            Some(',') => {
                self.at += 1;
                self.skip_space();
                Ok(true)
            }
            Some(found) if found == close => Ok(false),
            _ => Err(self.fault("a comma or a closing bracket")),
        }
    }

    fn integer(&mut self) -> Parsed<Value> {
        let start = self.at;
        if matches!(self.peek(), Some('-' | '+')) {
            self.at += 1;
        }
        let digits = self.text[self.at..].bytes().take_while(u8::is_ascii_digit).count();
        self.at += digits;
        let number = &self.text[start..self.at];
        let value = number.parse().map_err(|_| format!("{number} is not an integer that fits"))?;
        // Python 2 wrote long integers so.
        if matches!(self.peek(), Some('L' | 'l')) {
            self.at += 1;
        }
        match self.peek() {
            Some('.' | '_' | 'e' | 'E' | 'x' | 'j') => Err(self.fault("the end of an integer")),
            _ => Ok(Value::Int(value)),
        }
    }

    /// `None`, `True`, `False`, or a text with a prefix.
    fn word(&mut self) -> Parsed<Value> {
        let rest = &self.text[self.at..];
        for (word, value) in [("None", Value::None), ("True", Value::Bool(true)), ("False", Value::Bool(false))] {
            if let Some(after) = rest.strip_prefix(word) {
                if after.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
                    break;
                }
                self.at += word.len();
                return Ok(value);
            }
        }
        let mut letters = rest.chars();
        let prefixed =
            matches!(letters.next(), Some('u' | 'U' | 'b' | 'B')) && matches!(letters.next(), Some('\'' | '"'));
        if prefixed {
            self.at += 1;
            return Ok(Value::Text(self.string()?));
        }
        Err(self.fault("a literal"))
    }

    fn string(&mut self) -> Parsed<String> {
        let quote = self.next().ok_or("a text has no end")?;
        let mut text = String::new();
        loop {
            match self.next().ok_or("a text has no end")? {
                found if found == quote => return Ok(text),
                '\\' => text.extend(self.escape()?),
                '\n' => return Err("a text runs over a line's end".to_owned()),
                found => text.push(found),
            }
        }
    }

    /// What a backslash and the letters after it stand for: nothing, if a line ends there.
    fn escape(&mut self) -> Parsed<Option<char>> {
        let letter = self.next().ok_or("a text has no end")?;
        Ok(Some(match letter {
            '\\' | '\'' | '"' => letter,
            '\n' => return Ok(None),
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'x' => self.code_point(2, 16)?,
            'u' => self.code_point(4, 16)?,
            'U' => self.code_point(8, 16)?,
            '0'..='7' => {
                self.at -= 1;
                let digits = self.text[self.at..].bytes().take(3).take_while(|digit| (b'0'..b'8').contains(digit));
                let digits = digits.count();
                self.code_point(digits, 8)?
            }
            other => return Err(format!("the escape \\{other} is not known")),
        }))
    }

    fn code_point(&mut self, digits: usize, radix: u32) -> Parsed<char> {
        let written = self.text.get(self.at..self.at + digits).ok_or("a text has no end")?;
        let value =
            written.bytes().all(|byte| byte.is_ascii_alphanumeric()).then(|| u32::from_str_radix(written, radix));
        let letter = value.and_then(Result::ok).and_then(char::from_u32);
        let letter = letter.ok_or_else(|| format!("{written:?} is not the number of a letter"))?;
        self.at += digits;
        Ok(letter)
    }

    fn expect(&mut self, wanted: char) -> Parsed<()> {
        if self.peek() != Some(wanted) {
            return Err(self.fault(&format!("`{wanted}`")));
        }
        self.at += wanted.len_utf8();
        Ok(())
    }

    fn skip_space(&mut self) {
        let space = self.text[self.at..].bytes().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c));
        self.at += space.count();
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn fault(&self, wanted: &str) -> String {
        match self.peek() {
            Some(found) => {
                format!("{wanted} is expected at character {}, not {found:?}", self.text[..self.at].chars().count())
            }
            None => format!("it ends where {wanted} is expected"),
        }
    }
}

/// A text as Python's `repr` writes it.
pub(crate) fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut written = String::from(quote);
    for letter in text.chars() {
        match letter {
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            _ if letter == quote => written.extend(['\\', letter]),
            ' '..='~' => written.push(letter),
            _ if is_printable(letter) => written.push(letter),
            _ => {
                // Writing to a text does not fail.
                let _ = match u32::from(letter) {
                    point @ 0..=0xff => write!(written, "\\x{point:02x}"),
                    point @ 0x100..=0xffff => write!(written, "\\u{point:04x}"),
                    point => write!(written, "\\U{point:08x}"),
                };
            }
        }
    }
    written.push(quote);
    written
}

/// What Python prints as it is, as far as Rust knows: Rust also escapes letters that join the one before them.
fn is_printable(letter: char) -> bool {
    let escaped = letter.escape_debug().len() > 1;
    !escaped || (letter.is_alphanumeric() && !letter.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        parse(text).unwrap().value
    }

    #[test]
    fn reads_what_headers_hold() {
        assert_eq!(value(" -12 \n"), Value::Int(-12));
        assert_eq!(value("10L"), Value::Int(10));
        assert_eq!(value("(3)"), Value::Int(3));
        let Value::Tuple(one) = value("(3,)") else { panic!("a tuple") };
        assert_eq!((one.len(), one[0].span.clone()), (1, 1..2));
        assert_eq!(value("()"), Value::Tuple(Vec::new()));
        let Value::Dict(entries) = value("{u'a': True, \"b\" : [('x', None,), ], }") else { panic!("a dictionary") };
        assert_eq!(entries.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn reads_escapes() {
        assert_eq!(value(r"'\x41\u00e9\U0001d11e\n\'\\\101'"), Value::Text("Aé𝄞\n'\\A".to_owned()));
        for text in [r"'\xg1'", r"'\ud800'", r"'\q'", r"'\x+1'", "'\\", "'", "'a\nb'"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn evaluates_nothing() {
        for text in
            ["__import__('os')", "1+1", "'a' 'b'", "[1 2]", "{1: 2}", "1.5", "0x10", "{'a': 1, 'a': 2}", "Nones", ""]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_is_limited() {
        assert!(parse(&"[".repeat(9000)).is_err());
        assert!(parse(&("(".repeat(20) + &")".repeat(20))).is_ok());
    }

    #[test]
    fn repr_is_read_back() {
        for text in ["plain", "it's", "\"both' ", "tab\tline\n", "é→𝄞", "\u{a0}\u{7f}\u{200b}", "back\\slash"] {
            assert_eq!(value(&repr(text)), Value::Text(text.to_owned()), "{}", repr(text));
        }
        assert_eq!(repr("it's"), "\"it's\"");
        assert_eq!(repr("\u{7f}"), r"'\x7f'");
    }
}
