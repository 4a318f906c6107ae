//! Passwords that are guessed first: known words and patterns, in the ways in which people stretch and disguise them.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Words that common passwords are made of, one a line, in lower case.
const WORDS: &str = include_str!("guessable.txt");

static KNOWN: LazyLock<HashSet<&str>> =
    LazyLock::new(|| WORDS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect());

/// Rows that fingers and eyes follow, there and back.
const ROWS: [&str; 9] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "qazwsxedcrfvtgbyhnujmikolp",
    "1q2w3e4r5t6y7u8i9o0p",
    "zxcvbnmasdfghjklqwertyuiop",
];

/// The fewest characters that must be left once known words and patterns are taken away.
const LEFT: usize = 5;

/// Whether a password is guessed first. `known` is what everybody knows of the person.
pub(super) fn is_common(password: &str, known: &[&str]) -> bool {
    let lower = password.to_lowercase();
    let mut words: Vec<String> = known.iter().flat_map(|text| parts(text)).collect();
    words.retain(|word| word.chars().count() >= 4);
    [lower.clone(), undisguised(&lower)].iter().any(|text| left_of(text, &words) < LEFT)
}

/// The words of what is known of a person.
fn parts(text: &str) -> impl Iterator<Item = String> {
    let lower = text.to_lowercase();
    lower.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect::<Vec<_>>().into_iter()
}

/// Letters in place of what is written for them.
fn undisguised(text: &str) -> String {
    let plain = |c| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    };
    text.chars().map(plain).collect()
}

/// How many characters are left of a text without known words, runs along a row, and repetitions: each of those counts as
/// one guess of an attacker, and so as nothing.
fn left_of(text: &str, words: &[String]) -> usize {
    let chars: Vec<char> = text.chars().collect();
    let mut seen = HashSet::new();
    let (mut at, mut left) = (0, 0);
    while at < chars.len() {
        let rest = chars.get(at..).unwrap_or_default();
        let taken = longest_word(rest, words).max(longest_run(rest)).max(repeated(&chars, at));
        if taken == 0 {
            // Of digits and signs around words there are few ways; of the same character there is one.
            left += usize::from(seen.insert(rest.first()) && rest.first().is_some_and(|c| c.is_alphabetic()));
            at += 1;
        } else {
            at += taken;
        }
    }
    left
}

fn longest_word(rest: &[char], words: &[String]) -> usize {
    let mut text = String::new();
    let mut longest = 0;
    for (at, c) in rest.iter().take(24).enumerate() {
        text.push(*c);
        if KNOWN.contains(text.as_str()) || words.contains(&text) {
            longest = at + 1;
        }
    }
    longest
}

/// The length of the run along a row that a text begins with, of three or more.
fn longest_run(rest: &[char]) -> usize {
    let along = |row: &[char]| {
        let starts = 0..row.len();
        let common = |from: usize| {
            row.get(from..).unwrap_or_default().iter().zip(rest).take_while(|(a, b)| a == b).count()
        };
        starts.map(common).max().unwrap_or(0)
    };
    let longest = ROWS.iter().map(|row| {
        let row: Vec<char> = row.chars().collect();
        let back: Vec<char> = row.iter().rev().copied().collect();
        along(&row).max(along(&back))
    });
    let same = rest.iter().take_while(|c| Some(*c) == rest.first()).count();
    longest
        .max()
        .unwrap_or(0)
        .max(same)
        .checked_sub(2)
        .map_or(0, |beyond| if beyond > 0 { beyond + 2 } else { 0 })
}

/// How much of what stands at a place stood right before it: three characters or more.
fn repeated(chars: &[char], at: usize) -> usize {
    let longest = (3..=at.min(chars.len() - at)).rev();
    longest.into_iter().find(|length| chars.get(at - length..at) == chars.get(at..at + length)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_guessed_first_is_common() {
        for common in [
            "password1234",
            "Password1234!",
            "P@ssw0rd2026!",
            "passwordpassword",
            "123456789012",
            "qwertyuiop12",
            "1qaz2wsx3edc",
            "abcdefghijkl",
            "aaaaaaaaaaaa",
            "abcabcabcabc",
            "letmein12345",
            "iloveyou2024",
            "administrator1",
            "changeme1234",
            "welcome12345",
            "zyxwvutsrqpo",
            "!!!!!!!!!!!!!",
            "            ",
            "qwertyqwerty",
            "monkeydragon1",
            "987654321012",
        ] {
            assert!(is_common(common, &[]), "{common}");
        }
    }

    #[test]
    fn what_everybody_knows_of_the_person_is_common() {
        let known = ["alice@example.com", "Alice Example", "chat.example.com"];
        for common in ["alice-example", "Example2026!!", "alicealice123", "ex4mple.c0m!!"] {
            assert!(is_common(common, &known), "{common}");
        }
        assert!(!is_common("alice rides a violet tapir", &known));
    }

    #[test]
    fn others_are_taken() {
        for good in [
            "correct horse battery",
            "kx7w-vrbq-mz2t",
            "violet tapir quietly",
            "ünïcödé pässwörter",
            "hgwdjqzkvbnx",
        ] {
            assert!(!is_common(good, &[]), "{good}");
        }
    }
}
