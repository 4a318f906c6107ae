//! The client's side of a connection that is kept.

use std::io::{self, BufRead, Read as _};

/// Reads an answer, which must be good.
pub fn read(connection: &mut impl BufRead, line: &mut String) {
    let mut length = 0;
    let mut first = true;
    loop {
        line.clear();
        connection.read_line(line).unwrap();
        assert!(!first || line.starts_with("HTTP/1.1 200"), "{line}");
        first = false;
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        } else if line.trim().is_empty() {
            break;
        }
    }
    io::copy(&mut connection.take(length), &mut io::sink()).unwrap();
}
