#![doc = include_str!("../ATTACKS.md")]
