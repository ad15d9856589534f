//! What a guest says, as a terminal may be shown it: its root can have the kernel's log, a module's name
//! or a program's output hold what moves a cursor, or names a window.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::Value;

/// The text, with what controls a terminal written as the kernel's log has it: `\x1b`.
pub fn printable(text: &str) -> Cow<'_, str> {
    let controls = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(controls) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match controls(c) {
            // It cannot fail.
            true => drop(write!(shown, "\\x{:02x}", u32::from(c))),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// The same for each text in a value.
pub fn in_value(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(shown) = printable(text) {
                *text = shown;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(in_value),
        Value::Object(fields) => fields.values_mut().for_each(in_value),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether a line of JSON may hold such a character: as an escape, or as one of the C1 set, or DEL.
pub fn may_control(line: &[u8]) -> bool {
    let escape =
        |pair: &[u8]| matches!(pair, [b'\\', b'u' | b'b' | b'f' | b'r'] | [0xc2, 0x80..=0x9f]);
    line.contains(&0x7f) || line.windows(2).any(escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_a_terminal_is_shown_as_text() {
        assert_eq!(printable("a\tb\nü"), "a\tb\nü");
        assert_eq!(printable("\x1b[2J\u{9b}1m\x7f\r"), "\\x1b[2J\\x9b1m\\x7f\\x0d");
        for text in ["\x1b]0;title\x07", "\r", "\u{9b}31m", "\x7f", "\x08", "\x0c"] {
            let line = serde_json::to_vec(text).expect("JSON");
            assert!(may_control(&line), "{text:?}");
            let mut value = serde_json::json!({ "a": [text] });
            in_value(&mut value);
            let shown = value["a"][0].as_str().expect("text");
            assert!(shown.starts_with("\\x") && !shown.contains(char::is_control), "{shown}");
        }
        assert!(!may_control(&serde_json::to_vec("as it is: ü\t\n").expect("JSON")));
    }
}
