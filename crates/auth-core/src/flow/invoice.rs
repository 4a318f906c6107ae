//! Invoices, counted from the stored calls.

use crate::model::{Channel, Usage};
use std::collections::BTreeMap;

/// What a call costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariff {
    /// ISO 4217 code.
    pub currency: String,
    /// A text message, in hundredths of the currency.
    pub sms_cents: u64,
    /// A telephone call, in hundredths of the currency.
    pub phone_cents: u64,
}

impl Tariff {
    const fn price(&self, channel: Channel) -> u64 {
        match channel {
            Channel::Sms => self.sms_cents,
            Channel::Phone => self.phone_cents,
        }
    }
}

/// The invoice of one month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// The month, as `2026-11` (UTC).
    pub month: String,
    /// One line a channel.
    pub lines: Vec<InvoiceLine>,
    /// The sum, in hundredths of the currency.
    pub total_cents: u64,
}

/// The calls of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceLine {
    /// The channel.
    pub channel: Channel,
    /// How many.
    pub calls: u64,
    /// What one costs, in hundredths of the currency.
    pub unit_cents: u64,
    /// What they cost together.
    pub amount_cents: u64,
}

/// The invoices of the months in which there was any usage, newest first.
pub fn invoices(usage: &[Usage], tariff: &Tariff) -> Vec<Invoice> {
    let mut months: BTreeMap<&str, Vec<InvoiceLine>> = BTreeMap::new();
    for Usage { month, channel, calls } in usage {
        let unit_cents = tariff.price(*channel);
        let amount_cents = calls.saturating_mul(unit_cents);
        let line = InvoiceLine { channel: *channel, calls: *calls, unit_cents, amount_cents };
        months.entry(month).or_default().push(line);
    }
    let invoice = |(month, lines): (&str, Vec<InvoiceLine>)| {
        let total_cents = lines.iter().fold(0, |sum: u64, line| sum.saturating_add(line.amount_cents));
        Invoice { month: month.to_owned(), lines, total_cents }
    };
    months.into_iter().rev().map(invoice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invoice_is_the_sum_of_its_calls() {
        let usage = |month: &str, channel, calls| Usage { month: month.to_owned(), channel, calls };
        let tariff = Tariff { currency: "EUR".to_owned(), sms_cents: 5, phone_cents: 20 };
        let found = invoices(
            &[
                usage("2026-10", Channel::Sms, 3),
                usage("2026-11", Channel::Sms, 1),
                usage("2026-11", Channel::Phone, 2),
            ],
            &tariff,
        );
        let totals: Vec<_> =
            found.iter().map(|invoice| (invoice.month.as_str(), invoice.total_cents)).collect();
        assert_eq!(totals, [("2026-11", 45), ("2026-10", 15)]);
    }
}
