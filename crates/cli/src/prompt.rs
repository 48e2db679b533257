//! Lines that people type and the terminal does not show.
//!
//! The terminal's own line editing is off while somebody types, and with it the key that would end this process: a signal
//! would leave a terminal behind that shows nothing any more. So Ctrl-C is a byte like others here, which ends the command once
//! the terminal is as it was.

use anyhow::{Context, Result, bail};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use zeroize::Zeroizing;

/// The terminal that somebody sits at, wherever input and output go.
const TERMINAL: &str = "/dev/tty";
/// Longest line that is taken; the rest of a longer one is not looked at.
const LINE_BYTES_MAX: usize = 1_024;

const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CTRL_U: u8 = 0x15;
const DELETE: u8 = 0x7F;

/// A line that the terminal does not show, without its end.
pub(crate) fn unseen(prompt: &str) -> Result<String> {
    let terminal = OpenOptions::new().read(true).write(true).open(TERMINAL);
    let terminal = terminal.context("there is no terminal to type at: use --password-stdin")?;
    let silence = Silence::over(&terminal)?;
    write!(&terminal, "{prompt}")?;
    let line = typed(&terminal);
    // The line end that was typed was not shown either.
    writeln!(&terminal)?;
    drop(silence);
    line
}

/// Takes bytes one at a time: what is typed behind the line is for whoever reads next.
fn typed(mut terminal: impl Read) -> Result<String> {
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES_MAX));
    let mut byte = [0];
    loop {
        if terminal.read(&mut byte)? == 0 {
            break;
        }
        match byte[0] {
            b'\n' | b'\r' | CTRL_D => break,
            CTRL_C => bail!("interrupted"),
            CTRL_U => line.clear(),
            BACKSPACE | DELETE => {
                // A character of several bytes goes as a whole.
                while line.pop().is_some_and(|last| last & 0xC0 == 0x80) {}
            }
            _ if line.len() == LINE_BYTES_MAX => bail!("a line is longer than {LINE_BYTES_MAX} bytes"),
            other => line.push(other),
        }
    }
    Ok(str::from_utf8(&line).context("what was typed is not text")?.to_owned())
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence<'t> {
    terminal: &'t File,
    before: Termios,
}

impl<'t> Silence<'t> {
    fn over(terminal: &'t File) -> Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // Nothing is left to do when the terminal is gone.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_and_ended_as_people_do() {
        for (bytes, line) in [
            (&b"horse\rrest"[..], Some("horse")),
            (b"horse\nrest", Some("horse")),
            (b"horse", Some("horse")),
            (b"hoo\x7F\x08rse\x7Fse\n", Some("hrsse")),
            ("h\u{e9}\u{9a6c}\u{7f}\u{7f}orse\n".as_bytes(), Some("horse")),
            (b"\x7F\x7Fhorse\n", Some("horse")),
            (b"wrong\x15horse\n", Some("horse")),
            (b"horse\x04more\n", Some("horse")),
            (b"", Some("")),
            (b"hor\x03se\n", None),
            (b"\xFF\n", None),
        ] {
            assert_eq!(typed(bytes).ok().as_deref(), line, "{bytes:?}");
        }
        assert!(typed(&[b'a'; LINE_BYTES_MAX + 1][..]).is_err());
        assert_eq!(typed(&[b'a'; LINE_BYTES_MAX][..]).unwrap().len(), LINE_BYTES_MAX);
    }
}
