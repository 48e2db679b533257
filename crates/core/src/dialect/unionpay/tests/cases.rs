//! The dialect's table of transactions, written down a second time and apart from the code's.

use super::Request;
use switchyard_domain::TransactionKind::{
    self, BalanceInquiry, CardRepayment, CashAdvance, Completion, CompletionAdvice, CompletionVoid,
    OfflineSale, PreAuth, PreAuthVoid, Refund, Sale, Tip, TopUp, Void,
};
use switchyard_wire::De;

/// What a request turns into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Financial(TransactionKind),
    Reversal(TransactionKind),
    SignOn,
    SignOff,
    Echo,
    Status,
    Download,
    DownloadEnd,
    MasterKey,
    MasterKeyTaken,
    Script,
    BatchTotals,
    Items,
    Detail,
    End,
}
use Expected::{BatchTotals, Detail, Echo, End, Financial, Items, Reversal, Script, SignOff, SignOn, Status};
use Expected::{Download, DownloadEnd, MasterKey, MasterKeyTaken};

/// MTI, DE 3, DE 25, DE 60.1, DE 60.3, what it is, elements of request and reply.
type Case = (u16, Option<u64>, u64, u8, &'static [u16], Expected, &'static str, &'static str);

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    (0x0200, Some(310000), 0, 1, &[0], Financial(BalanceInquiry),
        "3 11 22 25 41 42 49 60 64",
        "2 3 11 12 13 14 25 32 37 39 41 42 44 49 53 54 60 64"),
    (0x0200, Some(0), 0, 22, &[0], Financial(Sale),
        "3 4 11 22 25 41 42 49 60 64",
        "2 3 4 11 12 13 14 15 25 32 37 38 39 41 42 44 49 53 60 63 64"),
    (0x0400, Some(0), 0, 22, &[0], Reversal(Sale),
        "3 4 11 22 25 39 41 42 49 60 64",
        "2 3 4 11 12 13 14 15 25 32 37 39 41 42 44 49 53 60 64"),
    (0x0200, Some(200000), 0, 23, &[0], Financial(Void),
        "3 4 11 22 25 37 41 42 49 60 61 64",
        "2 3 4 11 12 13 14 15 25 32 37 38 39 41 42 44 49 53 60 63 64"),
    (0x0400, Some(200000), 0, 23, &[0], Reversal(Void),
        "3 4 11 22 25 39 41 42 49 60 61 64",
        "2 3 4 11 12 13 14 15 25 32 37 39 41 42 44 49 53 60 64"),
    (0x0220, Some(200000), 0, 25, &[0], Financial(Refund),
        "3 4 11 22 25 37 41 42 49 60 61 63 64",
        "2 3 4 11 12 13 14 15 25 32 37 39 41 42 44 49 53 60 63 64"),
    (0x0100, Some(30000), 6, 10, &[0], Financial(PreAuth),
        "3 4 11 22 25 41 42 49 60 64",
        "2 3 4 11 12 13 14 15 25 32 37 38 39 41 42 44 49 53 60 63 64"),
    (0x0400, Some(30000), 6, 10, &[0], Reversal(PreAuth),
        "3 4 11 22 25 39 41 42 49 60 64",
        "2 3 4 11 12 13 14 15 25 32 37 38 39 41 42 44 49 53 60 63 64"),
    (0x0100, Some(200000), 6, 11, &[0], Financial(PreAuthVoid),
        "3 4 11 22 25 38 41 42 49 60 61 64",
        "2 3 4 11 12 13 14 15 25 32 37 38 39 41 42 44 49 53 60 63 64"),
    (0x0400, Some(200000), 6, 11, &[0], Reversal(PreAuthVoid),
        "2 3 4 11 22 25 38 39 41 42 49 60 61 64",
        "2 3 4 11 12 13 14 15 25 32 37 38 39 41 42 44 49 53 60 63 64"),
    (0x0200, Some(0), 6, 20, &[0], Financial(Completion),
        "3 4 11 22 25 38 41 42 49 60 61 64",
        "2 3 4 11 12 13 14 15 25 32 37 38 39 41 42 44 49 53 60 63 64"),
    (0x0400, Some(0), 6, 20, &[0], Reversal(Completion),
        "3 4 11 22 25 38 39 41 42 49 60 61 64",
        "2 3 4 11 12 13 14 15 25 32 37 38 39 41 42 44 49 53 60 63 64"),
    (0x0200, Some(200000), 6, 21, &[0], Financial(CompletionVoid),
        "3 4 11 22 25 37 41 42 49 60 61 64",
        "2 3 4 11 12 13 14 15 25 32 37 38 39 41 42 44 49 53 60 63 64"),
    (0x0400, Some(200000), 6, 21, &[0], Reversal(CompletionVoid),
        "3 4 11 22 25 39 41 42 49 60 61 64",
        "2 3 4 11 12 13 14 15 25 32 37 38 39 41 42 44 49 53 60 63 64"),
    (0x0220, Some(0), 0, 30, &[0], Financial(OfflineSale),
        "2 3 4 11 22 25 41 42 60 63 64",
        "2 3 4 11 12 13 14 15 25 32 37 38 39 41 42 44 49 53 60 63 64"),
    (0x0220, Some(0), 6, 24, &[0], Financial(CompletionAdvice),
        "3 4 11 22 25 38 41 42 49 60 61 64",
        "2 3 4 11 12 13 14 15 25 32 37 38 39 41 42 44 49 53 60 63 64"),
    (0x0220, Some(0), 0, 32, &[0], Financial(Tip),
        "2 3 4 11 22 25 41 42 60 63 64",
        "2 3 4 11 12 13 14 15 25 32 37 38 39 41 42 44 49 53 60 63 64"),
    (0x0200, Some(10000), 0, 22, &[0], Financial(CashAdvance),
        "3 4 11 22 25 41 42 49 60 64",
        "2 3 4 11 12 13 14 15 25 32 37 38 39 41 42 44 49 53 60 63 64"),
    (0x0400, Some(10000), 0, 22, &[0], Reversal(CashAdvance),
        "3 4 11 22 25 39 41 42 49 60 64",
        "2 3 4 11 12 13 14 15 25 32 37 39 41 42 44 49 53 60 64"),
    (0x0200, Some(500000), 0, 22, &[0], Financial(CardRepayment),
        "3 4 11 22 25 41 42 48 49 60 64",
        "2 3 4 11 12 13 14 15 25 32 37 38 39 41 42 44 49 53 60 63 64"),
    (0x0400, Some(500000), 0, 22, &[0], Reversal(CardRepayment),
        "3 4 11 22 25 39 41 42 49 60 64",
        "2 3 4 11 12 13 14 15 25 32 37 39 41 42 44 49 53 60 64"),
    (0x0200, Some(510000), 0, 22, &[0], Financial(TopUp),
        "3 4 11 22 25 41 42 48 49 60 64",
        "2 3 4 11 12 13 14 15 25 32 37 38 39 41 42 44 49 53 60 63 64"),
    (0x0400, Some(510000), 0, 22, &[0], Reversal(TopUp),
        "3 4 11 22 25 39 41 42 49 60 64",
        "2 3 4 11 12 13 14 15 25 32 37 39 41 42 44 49 53 60 64"),
    (0x0800, None, 0, 0, &[1, 3, 4], SignOn,
        "11 41 42 60 63",
        "11 12 13 32 37 39 41 42 60 62"),
    (0x0820, None, 0, 0, &[2], SignOff,
        "11 41 42 60",
        "11 12 13 32 37 39 41 42 60"),
    (0x0500, None, 0, 0, &[201], BatchTotals,
        "11 41 42 48 49 60 63",
        "11 12 13 15 32 37 41 42 48 49 60 63"),
    (0x0320, None, 0, 0, &[201], Items,
        "11 41 42 48 60",
        "11 12 13 32 37 39 41 42 48 60"),
    (0x0320, None, 0, 0, &[202, 207], End,
        "11 41 42 48 60",
        "11 12 13 32 37 39 41 42 48 60"),
    (0x0320, Some(0), 0, 22, &[203, 204, 205, 206], Detail,
        "3 11 22 25 41 42 49 60 64",
        "11 12 13 32 37 39 41 42 60 64"),
    (0x0820, None, 0, 0, &[301], Echo,
        "41 42 60",
        "11 12 13 39 41 42 60"),
    (0x0800, None, 0, 0, &[360], Download,
        "41 42 60",
        "11 12 13 37 39 41 42 60 62"),
    (0x0820, None, 0, 0, &[372, 382], Download,
        "41 42 60 62",
        "11 12 13 39 41 42 60 62"),
    (0x0800, None, 0, 0, &[370, 380], Download,
        "41 42 60 62",
        "11 12 13 39 41 42 60 62"),
    (0x0800, None, 0, 0, &[361, 371, 381], DownloadEnd,
        "41 42 60",
        "11 12 13 39 41 42 60"),
    (0x0800, None, 0, 0, &[400], MasterKey,
        "41 42 60",
        "11 12 13 39 41 42 60 62"),
    (0x0800, None, 0, 0, &[401], MasterKeyTaken,
        "41 42 60 62",
        "11 12 13 39 41 42 60"),
    (0x0620, None, 0, 0, &[951], Script,
        "11 41 42 55 60 64",
        "3 4 11 12 13 32 37 39 41 42 60 64"),
    (0x0820, None, 0, 0, &[362], Status,
        "41 42 60 62",
        "11 12 13 39 41 42 60 62"),
];

/// Numbers between spaces.
fn elements(text: &str) -> Vec<De> {
    text.split(' ').map(|de| de.parse().unwrap()).collect()
}

impl Expected {
    /// Each case once per 60.3, with the request that has just what it must have, a card where that is
    /// needed, and DE 48 of its kind.
    pub(super) fn all() -> impl Iterator<Item = (Self, Request, Vec<De>)> {
        CASES.iter().flat_map(
            |&(mti, processing_code, condition, type_code, codes, expected, request, reply)| {
                codes.iter().map(move |code| {
                    let de60 = match expected {
                        Financial(_) | Reversal(_) => format!("{type_code:02}000003{code:03}50"),
                        _ => format!("{type_code:02}000003{code:03}"),
                    };
                    let processing_code = processing_code.unwrap_or(0);
                    let elements_of_request = elements(request);
                    let mut request = Request {
                        mti,
                        processing_code,
                        condition,
                        de60,
                        elements: elements_of_request,
                        digits: Vec::new(),
                    };
                    match expected {
                        Financial(Sale | PreAuth | BalanceInquiry | CashAdvance | CardRepayment | TopUp) => {
                            request = request.with(2);
                        }
                        Items => request = request.digits(48, format!("01{ITEM}").as_bytes()),
                        End => request = request.digits(48, b"0012"),
                        Detail => request = request.with(4),
                        _ => {}
                    }
                    (expected, request, elements(reply))
                })
            },
        )
    }
    pub(super) fn request(self) -> Request {
        Self::all().find(|(expected, ..)| *expected == self).map(|(_, request, _)| request).unwrap()
    }
}

/// One uploaded transaction: card kind, STAN, card number, amount.
pub(super) const ITEM: &str = "0000004100006225880000000008000000001250";
