//! Names of requests: unique within all processes, cheap to make.

use auth_core::entropy::Entropy;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names requests: 12 random hexadecimal digits of the process, and a number.
#[derive(Debug)]
pub(crate) struct RequestIds {
    process: String,
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let mut random = [0; 6];
        entropy.fill(&mut random);
        Self { process: data_encoding::HEXLOWER.encode(&random), next: AtomicU64::new(1) }
    }

    pub(crate) fn next(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut id = String::with_capacity(self.process.len() + 9);
        id.push_str(&self.process);
        id.push('-');
        let skip = number.leading_zeros() / 4;
        for place in (0..16 - skip.min(15)).rev() {
            let digit = u32::try_from((number >> (place * 4)) & 0xf).unwrap_or(0);
            id.push(char::from_digit(digit, 16).unwrap_or('0'));
        }
        id
    }
}
