/// Whether card numbers, tracks, PIN blocks and CVVs are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Masking {
    /// First six and last four digits of a card number, nothing of the rest.
    #[default]
    Masked,
    /// Everything.
    Unmasked,
}
