//! How long files of code are.

use crate::{
    Report,
    repository::{Failure, Repository},
};
use cargo_metadata::camino::Utf8PathBuf;

/// Longer than this, a file has more than one subject.
const END: usize = 600;
/// Longer than this, it is worth a look.
const WISHED: usize = 400;

/// No file of code is longer than [`END`].
pub(crate) fn check(repository: &Repository) -> Result<Report, Failure> {
    let mut lengths = Vec::new();
    for file in repository.files()?.into_iter().filter(|file| file.extension() == Some("rs")) {
        let lines = repository.read(&file)?.lines().count();
        lengths.push((file, lines));
    }
    Ok(judge(&lengths))
}

fn judge(lengths: &[(Utf8PathBuf, usize)]) -> Report {
    let too_long = lengths.iter().filter(|(_, lines)| *lines > END);
    let faults =
        too_long.map(|(file, lines)| format!("{file} has {lines} lines; {END} is the end")).collect();
    let long = lengths.iter().filter(|(_, lines)| *lines > WISHED).count();
    Report { faults, seen: format!("{} files, {long} longer than {WISHED} lines", lengths.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beyond_the_end_is_a_fault_and_a_long_one_a_note() {
        let lengths = [400, 401, 600, 601].map(|lines| (format!("{lines}.rs").into(), lines));
        let Report { faults, seen } = judge(&lengths);
        assert_eq!(faults, ["601.rs has 601 lines; 600 is the end"]);
        assert_eq!(seen, "4 files, 3 longer than 400 lines");
    }
}
