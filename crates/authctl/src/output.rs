//! What commands print: text for people, or one line of JSON for programs.

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::Write as _;

/// The answer of a command.
pub(crate) trait Report: Serialize {
    /// For people: whole lines, without the last line end.
    fn text(&self) -> String;
}

/// Prints an answer.
pub(crate) fn print(json: bool, report: &impl Report) -> Result<(), String> {
    let text = if json {
        serde_json::to_string(report).map_err(|error| error.to_string())?
    } else {
        report.text().chars().map(shown).collect()
    };
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        // A reader that went away, such as `head`, has what it wanted.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| format!("standard output: {error}")),
    }
}

/// A character of a text that tenants may have written: what would move the cursor, or turn the direction of reading
/// (UAX #9), stands as a question mark.
fn shown(c: char) -> char {
    match c {
        '\n' => c,
        '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '?',
        c if c.is_control() => '?',
        c => c,
    }
}

/// Lines in columns, the first of which are their titles.
pub(crate) fn columns<const N: usize>(
    titles: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut lines = vec![titles.map(str::to_owned)];
    lines.extend(rows);
    let wide =
        |at: usize| lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|at| wide(at).unwrap_or(0));
    let line = |cells: &[String; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A bar that shows how far a long work has come, where standard error is a terminal; other words come with
/// [`relabel`].
pub(crate) fn progress(template: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    relabel(&bar, template);
    bar
}

/// Gives a bar other words.
pub(crate) fn relabel(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// A value that may be absent.
pub(crate) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_printed_moves_the_cursor_or_turns_the_direction() {
        let text = "a\u{202e}b\u{1b}[2Jc\rd\u{2067}e\u{200f}\u{7f}\u{9b}\n\u{e9}\u{5d0}";
        assert_eq!(text.chars().map(shown).collect::<String>(), "a?b?[2Jc?d?e???\n\u{e9}\u{5d0}");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["1".to_owned(), "é".to_owned()], ["22".to_owned(), String::new()]];
        assert_eq!(columns(["id", "n"], rows), "id  n\n1   é\n22");
    }
}
