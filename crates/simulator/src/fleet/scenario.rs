//! What is done wrong, and which answer is right then.

use super::config::Mischief;
use crate::random::Random;
use crate::terminal::heard_as;
use crate::world::Speech;
use serde::Serialize;
use switchyard_domain::ResponseCode;

/// One way to do a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// As it should be.
    Normal,
    /// F64 is wrong.
    BadMac,
    /// The customer mistypes.
    WrongPin,
    /// The card has no money.
    PoorCard,
    /// The card has expired.
    ExpiredCard,
    /// The issuer does not know the card.
    UnknownCard,
    /// Nobody routes the card.
    UnknownIssuer,
    /// F41 is nobody's.
    UnknownTerminal,
    /// A field is cut.
    Truncated,
    /// The terminal hangs up.
    LostReply,
    /// The request comes twice.
    Repeat,
    /// After sign-off.
    SignedOff,
}

impl Scenario {
    /// Those that a sale can draw.
    pub const FAULTS: [Self; 10] = [
        Self::BadMac,
        Self::WrongPin,
        Self::PoorCard,
        Self::ExpiredCard,
        Self::UnknownCard,
        Self::UnknownIssuer,
        Self::UnknownTerminal,
        Self::Truncated,
        Self::LostReply,
        Self::Repeat,
    ];

    /// Codes that are right; a lost reply has none.
    pub fn expected(self) -> &'static [&'static str] {
        match self {
            Self::Normal | Self::Repeat => &["00"],
            Self::BadMac => &["A0"],
            // After too many tries the issuer may have blocked the card.
            Self::WrongPin => &["55", "75"],
            Self::PoorCard => &["51"],
            Self::ExpiredCard => &["54"],
            Self::UnknownCard => &["14"],
            Self::UnknownIssuer => &["15", "14", "92"],
            Self::UnknownTerminal => &["97"],
            Self::Truncated => &["30"],
            Self::LostReply => &[],
            Self::SignedOff => &["77"],
        }
    }
    /// Whether `code` is right, or says that somebody cannot work just now. A linked card's issuer may be
    /// away, what a follow-up refers to may be in doubt because of that (22), a busy switch may shed load, a day may be changing; none of these moves money.
    /// A generic dialect may spell it like another result.
    pub(super) fn accepts(self, code: ResponseCode, is_linked: bool, speech: &Speech) -> bool {
        let is_away = is_linked && matches!(code.as_bytes(), b"91" | b"98" | b"68" | b"22");
        let is_busy = matches!(code.as_bytes(), b"96" | b"90");
        let heard = |meant: &str| match meant.parse() {
            Ok(meant) if speech.is_generic() => heard_as(speech.version(), meant) == code,
            _ => meant == code.as_str(),
        };
        self.expected().iter().any(|meant| heard(meant)) || is_away || is_busy
    }
    fn per_mille(self, mischief: &Mischief) -> u16 {
        match self {
            Self::BadMac => mischief.bad_mac,
            Self::WrongPin => mischief.wrong_pin,
            Self::PoorCard => mischief.poor_card,
            Self::ExpiredCard => mischief.expired_card,
            Self::UnknownCard => mischief.unknown_card,
            Self::UnknownIssuer => mischief.unknown_issuer,
            Self::UnknownTerminal => mischief.unknown_terminal,
            Self::Truncated => mischief.truncated,
            Self::LostReply => mischief.lost_reply,
            Self::Repeat => mischief.repeat,
            Self::Normal | Self::SignedOff => 0,
        }
    }
    /// Draws one for the next order.
    pub(super) fn draw(random: &mut Random, mischief: &Mischief) -> Self {
        let mut left = random.below(1_000);
        for scenario in Self::FAULTS {
            let share = u64::from(scenario.per_mille(mischief));
            if left < share {
                return scenario;
            }
            left -= share;
        }
        Self::Normal
    }
}
