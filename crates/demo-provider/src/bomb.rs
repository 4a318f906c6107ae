//! A small file of gzip that is large.

/// What it unpacks to: so many spaces, 128 MiB.
pub(crate) const UNPACKED: u32 = 1 << 27;
/// The CRC-32 of them all.
const CHECKSUM: u32 = 0x53c3_f662;

/// The greatest length that one match of deflate stands for (RFC 1951 §3.2.5).
const MATCH: u32 = 258;

/// The file (RFC 1952). It has one block of deflate whose codes make a match of 258 spaces two bits.
pub(crate) fn gzip() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.number(1, 1); // the last block
    bits.number(2, 2); // with codes of its own
    bits.number(286 - 257, 5); // codes for literals and lengths
    bits.number(0, 5); // one code for distances
    bits.number(18 - 4, 4); // codes for the lengths of codes
    // Their lengths, in the order 16 17 18 0 8 7 9 6 10 5 11 4 12 3 13 2 14 1: of 18 one bit, of 2 and 1 two.
    for length in [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2] {
        bits.number(length, 3);
    }
    bits.zeros(32);
    bits.code("11"); // a space: two bits
    bits.zeros(138);
    bits.zeros(255 - 32 - 138);
    bits.code("11"); // the end: two bits
    bits.zeros(284 - 256);
    bits.code("10"); // a match of 258: one bit
    bits.code("10"); // a distance of 1: one bit
    (0..UNPACKED % MATCH).for_each(|_| bits.code("10"));
    (0..UNPACKED / MATCH).for_each(|_| bits.code("00"));
    bits.code("11");

    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    file.extend(bits.bytes);
    file.extend(CHECKSUM.to_le_bytes());
    file.extend(UNPACKED.to_le_bytes());
    file
}

/// Bits in the order of deflate (RFC 1951 §3.1.1).
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// How many of the last byte's are taken.
    taken: u8,
}

impl Bits {
    fn bit(&mut self, bit: u8) {
        if self.taken == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= bit << self.taken;
        }
        self.taken = (self.taken + 1) % 8;
    }
    /// A number, its lowest bit first.
    fn number(&mut self, number: u16, bits: u8) {
        (0..bits).for_each(|place| self.bit(u8::from(number >> place & 1 == 1)));
    }
    /// A code, as it is written.
    fn code(&mut self, code: &str) {
        code.bytes().for_each(|digit| self.bit(u8::from(digit == b'1')));
    }
    /// So many codes that there are not: 11 to 138, by the code for the length 18.
    fn zeros(&mut self, count: u16) {
        self.code("0");
        self.number(count.saturating_sub(11), 7);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_small_and_says_how_large_it_is() {
        let file = gzip();
        assert!(file.len() < 140_000, "{}", file.len());
        assert!(file.starts_with(&[0x1f, 0x8b, 8]));
        assert!(file.ends_with(&UNPACKED.to_le_bytes()));
    }

    #[test]
    fn the_checksum_is_that_of_the_spaces() {
        // Those of twice as many spaces are combined of those of one half, which nobody has to look at one by one.
        let mut half = crc32fast::Hasher::new();
        half.update(b" ");
        for _ in 0..UNPACKED.trailing_zeros() {
            let other = half.clone();
            half.combine(&other);
        }
        assert_eq!(half.finalize(), CHECKSUM);
    }
}
