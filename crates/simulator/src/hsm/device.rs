//! Which command is which.

use super::fields::{Code, Fields};
use switchyard_keys::lmk::Lmk;

/// What an answer holds behind its error code.
pub(super) type Answer = Result<Vec<u8>, Code>;

/// The module's inside: a local master key and the commands.
#[derive(Debug)]
pub struct HsmDevice {
    pub(super) lmk: Lmk,
}

impl HsmDevice {
    /// A module with this local master key.
    #[must_use]
    pub fn new(lmk: Lmk) -> Self {
        Self { lmk }
    }

    /// The answer to a command: response, error code, fields. `None` for what has no command in front.
    #[must_use]
    pub fn answer(&self, command: &[u8]) -> Option<Vec<u8>> {
        let (code, rest) = command.split_first_chunk::<2>()?;
        let fields = Fields::new(rest);
        let answer = match code {
            b"NC" => self.diagnostics(fields),
            b"B2" => echo(fields),
            b"A0" => self.generate_key(fields),
            b"A6" => self.import_key(fields),
            b"A8" => self.export_key(fields),
            b"BU" => self.check_value(fields),
            b"CA" | b"CC" => self.translate_pin(*code, fields),
            b"G0" => self.translate_dukpt_pin(fields),
            b"DC" | b"EC" => self.verify_pvv(*code, fields),
            b"DA" | b"EA" => self.verify_offset(*code, fields),
            b"CW" => self.generate_cvv(fields),
            b"CY" => self.verify_cvv(fields),
            b"M6" => self.generate_mac(fields),
            b"M8" => self.verify_mac(fields),
            b"GW" => self.verify_dukpt_mac(fields),
            b"KQ" => self.cryptogram(fields, true),
            b"KW" => self.cryptogram(fields, false),
            _ => Err(Code::COMMAND_DISABLED),
        };
        Some(reply(*code, answer))
    }

    /// The refusal of a command that is not carried out.
    pub(super) fn refusal(command: &[u8]) -> Option<Vec<u8>> {
        Some(reply(*command.first_chunk::<2>()?, Err(Code::COMMAND_DISABLED)))
    }

    fn diagnostics(&self, fields: Fields<'_>) -> Answer {
        fields.end()?;
        let kcv = crate::hex::encode(&self.lmk.kcv());
        Ok(format!("{kcv:0<16}0000-SIM1").into_bytes())
    }
}

fn echo(mut fields: Fields<'_>) -> Answer {
    let message = fields.counted(4)?.to_vec();
    fields.end()?;
    Ok(message)
}

fn reply(command: [u8; 2], answer: Answer) -> Vec<u8> {
    let (code, rest) = match answer {
        Ok(rest) => (0, rest),
        Err(Code(code)) => (code, Vec::new()),
    };
    let mut reply = vec![command[0], command[1].wrapping_add(1)];
    reply.extend_from_slice(format!("{code:02}").as_bytes());
    reply.extend_from_slice(&rest);
    reply
}
