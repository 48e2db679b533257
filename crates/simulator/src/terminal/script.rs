//! Scripts of issuers: a chip runs what an answer has for it, and the terminal tells what became of it (x620; in UnionPay's dialect with 60.3 = 951).

use super::Terminal;
use super::ask::Asking;
use super::compose::Composer;
use super::machine::is_line_trouble;
use super::manage::ADMIN_ATTEMPTS_MAX;
use super::order::{AdminKind, Done};
use super::reply::Reply;
use crate::error::SimError;
use switchyard_domain::{BatchNumber, Stan, Timestamp, TransactionKind};
use switchyard_wire::Tlvs;

/// Results that a terminal may owe; beyond it the oldest are forgotten.
const OWED_MAX: usize = 100;
/// Templates of scripts: before and after the chip's last cryptogram.
const TAGS_TEMPLATE: [u32; 2] = [0x71, 0x72];
const TAG_IDENTIFIER: u32 = 0x9F18;
/// High digit of the first byte of a result: the script was run, or the chip refused its first command.
const RAN: u8 = 0x20;
const REFUSED: u8 = 0x11;
/// Every so many chips refuse.
const REFUSES_EVERY: u8 = 5;

/// What a chip made of the scripts in one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptRun {
    /// Batch of the transaction.
    pub batch: BatchNumber,
    /// Its trace number.
    pub stan: Stan,
    /// Its date, `MMDD`.
    pub date: String,
    /// What it was.
    pub kind: TransactionKind,
    /// When it was asked for.
    pub at: Timestamp,
    /// Five bytes a script.
    pub results: Vec<u8>,
}

impl ScriptRun {
    /// What is owed after a transaction with this answer; nothing where it had no scripts.
    pub fn of(done: &Done, reply: &Reply) -> Option<Self> {
        let (results, date) = (reply.scripts.clone(), done.date.clone()?);
        let Done { batch, stan, kind, at, .. } = *done;
        let run = Self { batch, stan, date, kind, at, results };
        (!run.results.is_empty()).then_some(run)
    }
}

/// Runs the scripts in DE 55 of an answer: which one a chip refuses depends on the script alone.
pub(super) fn run(chip: &[u8]) -> Vec<u8> {
    let templates =
        Tlvs::new(chip).map_while(Result::ok).filter(|object| TAGS_TEMPLATE.contains(&object.tag));
    let identifier = |template: &[u8]| {
        let found = Tlvs::new(template).map_while(Result::ok).find(|object| object.tag == TAG_IDENTIFIER)?;
        <[u8; 4]>::try_from(found.value).ok()
    };
    let result = |id: [u8; 4]| {
        let first = if id[3].is_multiple_of(REFUSES_EVERY) { REFUSED } else { RAN };
        [first, id[0], id[1], id[2], id[3]]
    };
    templates.filter_map(|template| identifier(template.value)).flat_map(result).collect()
}

impl Composer<'_> {
    /// DE 55 of a 0620: terminal verification results, and what became of the scripts.
    pub(super) fn script_tags(run: &ScriptRun) -> Vec<u8> {
        let mut out = vec![0x95, 5, 0, 0, 4, 0, 0, 0xDF, 0x31, run.results.len() as u8];
        out.extend(&run.results);
        out
    }
}

impl Terminal {
    pub(super) fn owe(&mut self, run: Option<ScriptRun>) {
        if self.owed.len() >= OWED_MAX {
            self.owed.remove(0);
        }
        self.owed.extend(run);
    }

    /// Tells what chips made of scripts, each under a trace number of its own until it is answered. Says how many.
    ///
    /// # Errors
    /// When the switch cannot be reached, does not let the terminal sign on, or refuses one.
    pub async fn tell_scripts(&mut self) -> Result<u64, SimError> {
        let mut told = 0;
        while let Some(run) = self.owed.first().cloned() {
            self.get_ready().await?;
            let (stan, batch) = (self.state.take_stan(), self.state.batch);
            for attempt in 1.. {
                let composer = self.composer(batch);
                let frame = composer.script_result(stan, &run)?;
                let expected = composer.expected(Asking::ScriptResult, Some(stan));
                let line = self.admin_line(AdminKind::ScriptResult, stan, Asking::ScriptResult);
                match self.converse(&frame, line, &expected).await {
                    Err(error) if is_line_trouble(&error) && attempt < ADMIN_ATTEMPTS_MAX => {}
                    Err(error) => return Err(error),
                    Ok(reply) if reply.is_approved() => break,
                    // It signs on and tells it under another number.
                    Ok(reply) if reply.must_sign_on => return Ok(told),
                    Ok(reply) => return Err(super::machine::refused("a script result", reply.code)),
                }
            }
            self.owed.remove(0);
            told += 1;
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_runs_every_script_and_refuses_some() {
        let script =
            |tag: u8, id: u8| vec![tag, 14, 0x9F, 0x18, 4, 0, 0, 1, id, 0x86, 5, 0x84, 0x18, 0, 0, 0];
        for (chip, results) in [
            (vec![0x91, 2, 1, 2], vec![]),
            (script(0x72, 1), vec![0x20, 0, 0, 1, 1]),
            ([script(0x71, 5), script(0x72, 6)].concat(), vec![0x11, 0, 0, 1, 5, 0x20, 0, 0, 1, 6]),
            (vec![0x72, 3, 0x86, 1, 0], vec![]),
            (vec![0x72], vec![]),
        ] {
            assert_eq!(run(&chip), results, "{chip:02x?}");
        }
    }
}
