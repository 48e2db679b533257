//! From the core's reply to the bytes of the answer.

use super::select::expects_answer;
use super::totals;
use crate::dialect::ReplyContext;
use crate::dialect::iso::{Edition, chip, money, result, time};
use crate::effect::{Reply, ReplyBody};
use std::ops::Range;
use switchyard_domain::{Amount, BatchVerdict, ResponseCode};
use switchyard_wire::{BuildError, Builder, De, Dialect, Message};

/// Elements of an answer, as far as they have a value.
const ELEMENTS: &[De] = &[
    2, 3, 4, 7, 11, 12, 13, 15, 24, 30, 32, 33, 37, 38, 39, 41, 42, 49, 50, 54, 55, 56, 62, 66, 70, 74, 75,
    76, 77, 86, 87, 88, 89, 90, 96, 97,
];
/// DE 54: type of the amount that was asked for, beside a part that was approved.
const ORIGINAL_AMOUNT: &[u8; 2] = b"57";
/// DE 39 of 1987 where totals differ.
const NOT_RECONCILED: &str = "95";

/// Appends the answer to `request` from its MTI on, and gives its place in `out`. The elements that name the request are
/// the request's; what the core decided comes from the reply, so that a repeat hears the same.
///
/// With a MAC the answer ends in DE 64 or 128, of which 2003 carries four bytes.
///
/// # Errors
/// [`BuildError`] when an element does not take its value; `out` is as it was before.
pub fn write_reply(
    request: &Message<'_, '_>,
    edition: Edition,
    reply: &Reply,
    context: &ReplyContext<'_>,
    out: &mut Vec<u8>,
) -> Result<Range<usize>, BuildError> {
    let source = Source { request, edition, reply };
    request.dialect().build(out, request.mti().reply(), |builder| {
        ELEMENTS.iter().try_for_each(|de| source.write(builder, *de))?;
        let Some(mac) = context.mac else { return Ok(()) };
        let de = if source.has_high_elements() { 128 } else { 64 };
        match edition {
            Edition::Iso87 | Edition::Iso93 => builder.finish_with_mac(de, mac).map(|_| ()),
            Edition::Iso2003 => builder
                .finish_with_mac(de, |covered: &[u8]| -> [u8; 4] {
                    let [a, b, c, d, ..] = mac(covered);
                    [a, b, c, d]
                })
                .map(|_| ()),
        }
    })
}

struct Source<'s, 'd, 'a> {
    request: &'s Message<'d, 'a>,
    edition: Edition,
    reply: &'s Reply,
}

impl Source<'_, '_, '_> {
    fn write(&self, builder: &mut Builder<'_, '_>, de: De) -> Result<(), BuildError> {
        match (de, self.edition) {
            (4, _) => return self.amount(builder),
            (15 | 37 | 38, _) => return self.host_element(builder, de),
            (30, Edition::Iso93 | Edition::Iso2003) => return self.original_amounts(builder),
            (39, _) => return self.code(builder),
            (54, _) => return self.additional_amounts(builder),
            (55, _) => {
                if let Some(data) = &self.reply.chip {
                    chip::write(builder, 55, data)?;
                }
            }
            (62, Edition::Iso87) | (96, Edition::Iso93 | Edition::Iso2003) => return self.keys(builder, de),
            (66, Edition::Iso87) => return self.settlement_code(builder),
            (74..=77 | 86..=89 | 97, _) => {
                if let ReplyBody::BatchTotals { totals: host, .. } = &self.reply.body {
                    totals::write(builder, self.edition, de, host)?;
                }
            }
            (70 | 90, Edition::Iso87) | (24 | 56, Edition::Iso93 | Edition::Iso2003) => {
                builder.echo(self.request, de)?;
            }
            (24 | 30 | 50 | 56 | 62 | 66 | 70 | 90 | 96, _) => {}
            _ => {
                builder.echo(self.request, de)?;
            }
        }
        Ok(())
    }
    /// Whether the answer has an element above 64, which puts its MAC into DE 128.
    fn has_high_elements(&self) -> bool {
        let keys = matches!(&self.reply.body, ReplyBody::SignOn { .. }) && !self.edition.is_first();
        let totals = matches!(&self.reply.body, ReplyBody::BatchTotals { .. });
        let echoed = self.edition.is_first() && [70, 90].iter().any(|de| self.request.has(*de));
        keys || totals || echoed
    }
    fn amount(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        match self.reply.body.approved() {
            Some(amount) => money::write_amount(builder, amount),
            None => builder.echo(self.request, 4).map(|_| ()),
        }
    }
    /// What was asked for, in a currency.
    fn asked(&self, currency: switchyard_domain::Currency) -> Option<Amount> {
        let minor = money::read_minor(self.request).ok().flatten()?;
        Some(Amount::new(minor, currency))
    }
    /// DE 30 beside a part that was approved: what was asked for, and nothing for the reconciliation.
    fn original_amounts(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        let Some(asked) = self.reply.body.approved().and_then(|amount| self.asked(amount.currency)) else {
            return Ok(());
        };
        money::write_original_amount(builder, self.edition, asked)
    }
    /// A balance, and in 1987 what was asked for beside a part that was approved.
    fn additional_amounts(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        let mut text = String::new();
        if let Some((balance, in_credit)) = self.reply.body.facts().and_then(|facts| facts.balance) {
            text.push_str(&money::additional(money::AVAILABLE, balance, in_credit, self.edition));
        }
        if self.edition.is_first()
            && let Some(asked) = self.reply.body.approved().and_then(|amount| self.asked(amount.currency))
        {
            text.push_str(&money::additional(ORIGINAL_AMOUNT, asked, true, self.edition));
        }
        if text.is_empty() {
            return Ok(());
        }
        builder.text(54, &text).map(|_| ())
    }
    /// What the host alone knows.
    fn host_element(&self, builder: &mut Builder<'_, '_>, de: De) -> Result<(), BuildError> {
        let Some(facts) = self.reply.body.facts() else {
            // Nothing is recorded: the terminal's own reference says which request is refused.
            if de == 37 {
                builder.echo(self.request, 37)?;
            }
            return Ok(());
        };
        match (de, facts.auth_code) {
            (15, _) => time::write_settlement(builder, self.edition, facts.settlement_date)?,
            (37, _) => {
                builder.text(37, facts.rrn.as_str())?;
            }
            (38, Some(code)) => {
                builder.text(38, code.as_str())?;
            }
            _ => {}
        }
        Ok(())
    }
    fn code(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        if let ReplyBody::BatchTotals { verdict, .. } = &self.reply.body
            && *verdict != BatchVerdict::Balanced
        {
            match self.edition {
                Edition::Iso87 => builder.text(39, NOT_RECONCILED)?,
                // Not reconciled, totals given.
                Edition::Iso93 => builder.number(39, 504)?,
                Edition::Iso2003 => builder.number(39, 5_004)?,
            };
            return Ok(());
        }
        let code = result::for_terminal(self.reply.code, self.edition);
        result::write(builder, self.edition, self.request.mti().class(), code)
    }
    /// DE 66: 1 in balance, 2 out of balance.
    fn settlement_code(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        if let ReplyBody::BatchTotals { verdict, .. } = &self.reply.body {
            builder.number(66, u64::from(verdict.digit() - b'0'))?;
        }
        Ok(())
    }
    /// The working keys under the terminal's master key.
    fn keys(&self, builder: &mut Builder<'_, '_>, de: De) -> Result<(), BuildError> {
        match &self.reply.body {
            ReplyBody::SignOn { key_block, .. } if !key_block.is_empty() => {
                chip::write(builder, de, key_block)
            }
            _ => Ok(()),
        }
    }
}

/// Answers with a format error to a body that does not parse whole: trace number, terminal and merchant are in the answer
/// as far as they were readable. Nothing for a body whose type is unreadable, of another edition, or expects no answer:
/// an answer to an answer could go on for ever.
pub fn malformed_reply(dialect: &Dialect, edition: Edition, body: &[u8]) -> Option<Vec<u8>> {
    let (message, _) = dialect.parse_partial(body);
    let mti = message.mti();
    edition.number(mti).filter(|mti| expects_answer(*mti))?;
    let mut out = Vec::with_capacity(64);
    dialect
        .build::<BuildError>(&mut out, mti.reply(), |builder| {
            builder.echo(&message, 7)?.echo(&message, 11)?;
            result::write(builder, edition, mti.class(), ResponseCode::FORMAT_ERROR)?;
            builder.echo(&message, 41)?.echo(&message, 42).map(|_| ())
        })
        .ok()?;
    Some(out)
}
