//! Nothing that arrives can make the dialect panic.

use super::super::{malformed_reply, write_reply};
use super::cases::Expected;
use super::*;
use crate::effect::Reply;
use proptest::prelude::*;
use switchyard_domain::UtcOffset;

fn exercise(body: &[u8]) {
    if let Some(answer) = malformed_reply(body) {
        assert!(malformed_reply(&answer).is_none(), "an answer was answered");
        assert!(dialect().parse(&answer).is_ok());
    }
    let (partial, _) = dialect().parse_partial(body);
    let _ = read(&partial);
    let Ok(message) = dialect().parse(body) else { return };
    let reply = Reply::refused(ResponseCode::FORMAT_ERROR);
    let acquirer = "1".parse().unwrap();
    let context = ReplyContext { card: None, offset: UtcOffset::CHINA, acquirer: &acquirer, mac: None };
    let _ = write_reply(&message, &reply, &context, &mut Vec::new());
    if let Ok(Parsed { mut draft, mac, .. }) = read(&message) {
        if let MacRequirement::Required { covered, .. } = mac {
            assert!(covered <= body.len());
        }
        if let Some(packed) = draft.encrypted_track().map(<[u8]>::to_vec) {
            let _ = draft.set_track(&packed[..packed.len() / 2]);
            let _ = Draft::set_track(&mut draft, &packed);
        }
        let _ = into_body(draft);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..256)) {
        exercise(&body);
    }

    #[test]
    fn damaged_messages_never_panic(
        row in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let rows: Vec<_> = Expected::all().map(|(_, request, _)| request).collect();
        let mut bytes = row.get(&rows).with(53).with(14).bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let end = if whole { bytes.len() } else { cut.index(bytes.len() + 1) };
        exercise(&bytes[..end]);
    }
}
