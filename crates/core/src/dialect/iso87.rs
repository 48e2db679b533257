//! stub until the dialect room lands
use switchyard_domain::TransactionKind;
/// MTI of a request on a link.
pub fn upstream_mti(kind: TransactionKind) -> u16 {
    match kind {
        TransactionKind::PreAuth | TransactionKind::PreAuthVoid => 100,
        TransactionKind::Refund => 220,
        _ => 200,
    }
}
