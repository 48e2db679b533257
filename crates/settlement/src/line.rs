//! The movements of a day, compact: a day may have ten million.

use crate::error::SettleError;
use switchyard_domain::{
    BusinessDate, CardClass, Currency, MerchantIndex, Movement, Rrn, TerminalIndex, Timestamp, TransactionId,
    TransactionKind,
};

/// One movement of a merchant's money, with its fee. 64 bytes, so that ten million of them stay under a
/// gibibyte together with everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// When it was recorded.
    pub at: Timestamp,
    /// The transaction that moves the money.
    pub transaction: TransactionId,
    /// How much, in minor units, before its sign.
    pub amount_minor: u64,
    /// What it costs the merchant, in minor units; negative where a fee comes back.
    pub fee_minor: i64,
    /// Its reference.
    pub rrn: Rrn,
    /// The merchant.
    pub merchant: MerchantIndex,
    /// The terminal.
    pub terminal: TerminalIndex,
    /// The business day whose fee plan prices it.
    pub priced: BusinessDate,
    /// Which of the plans that its merchant has had prices it: how many changes came before it.
    pub plan_place: u16,
    /// The currency.
    pub currency: Currency,
    /// Its kind.
    pub kind: TransactionKind,
    /// The card's class.
    pub class: CardClass,
    /// True when the merchant gains.
    pub gain: bool,
}
const _: () = assert!(std::mem::size_of::<Line>() <= 64);

impl Line {
    pub(crate) fn new(at: Timestamp, movement: &Movement, priced: BusinessDate, plan_place: u16) -> Self {
        Self {
            at,
            transaction: movement.transaction,
            amount_minor: movement.amount.minor,
            fee_minor: 0,
            rrn: movement.rrn,
            merchant: movement.merchant,
            terminal: movement.terminal,
            priced,
            plan_place,
            currency: movement.amount.currency,
            kind: movement.kind,
            class: movement.card_class,
            gain: movement.gain,
        }
    }
    /// What the merchant gains (positive) or loses, before fees.
    pub fn signed_minor(&self) -> i128 {
        let minor = i128::from(self.amount_minor);
        if self.gain { minor } else { -minor }
    }
    /// What the merchant gains or loses, after the fee.
    pub fn net_minor(&self) -> i128 {
        self.signed_minor() - i128::from(self.fee_minor)
    }
}

/// Lines in the order of their records. Chunks, because growing one vector would copy it and hold both.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    chunks: Vec<Vec<Line>>,
    count: usize,
}

impl Lines {
    const CHUNK_SHIFT: u32 = 16;
    const CHUNK: usize = 1 << Self::CHUNK_SHIFT;
    /// Lines are numbered in 32 bits.
    pub(crate) const COUNT_MAX: usize = u32::MAX as usize;

    pub(crate) fn push(&mut self, line: Line) -> Result<(), SettleError> {
        if self.count >= Self::COUNT_MAX {
            return Err(SettleError::TooManyMovements { max: Self::COUNT_MAX });
        }
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < Self::CHUNK => chunk.push(line),
            _ => {
                let mut chunk = Vec::with_capacity(Self::CHUNK);
                chunk.push(line);
                self.chunks.push(chunk);
            }
        }
        self.count += 1;
        Ok(())
    }
    pub(crate) fn len(&self) -> usize {
        self.count
    }
    pub(crate) fn get(&self, index: u32) -> &Line {
        &self.chunks[(index >> Self::CHUNK_SHIFT) as usize][index as usize & (Self::CHUNK - 1)]
    }
    pub(crate) fn get_mut(&mut self, index: u32) -> &mut Line {
        &mut self.chunks[(index >> Self::CHUNK_SHIFT) as usize][index as usize & (Self::CHUNK - 1)]
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Line> {
        self.chunks.iter().flatten()
    }
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Line> {
        self.chunks.iter_mut().flatten()
    }
}
