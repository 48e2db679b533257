use crate::*;
/// A dialect compiled from TOML: immutable, shareable between threads.
#[derive(Debug)]
pub struct Dialect {
    name: std::sync::Arc<str>,
}
impl Dialect {
    /// A dialect that ships with the crate.
    pub fn builtin(_name: &str) -> Option<&'static Self> {
        todo!()
    }
    /// Names of the dialects that ship with the crate.
    pub fn builtin_names() -> &'static [&'static str] {
        todo!()
    }
    /// Compiles a dialect file.
    pub fn from_toml(_text: &str) -> Result<Self, DialectError> {
        todo!()
    }
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Framing that links of this dialect use unless configured otherwise.
    pub fn framing(&self) -> Framing {
        todo!()
    }
    /// Envelope likewise.
    pub fn envelope(&self) -> EnvelopeKind {
        todo!()
    }
    /// Parses a body without allocating.
    pub fn parse<'d, 'a>(&'d self, _body: &'a [u8]) -> Result<Message<'d, 'a>, ParseError> {
        todo!()
    }
    /// What was readable, and the error that stopped it.
    pub fn parse_partial<'d, 'a>(&'d self, _body: &'a [u8]) -> (Message<'d, 'a>, Option<ParseError>) {
        todo!()
    }
    /// Starts a message at the end of `out`.
    pub fn builder<'d, 'b>(&'d self, _out: &'b mut Vec<u8>, _mti: Mti) -> Builder<'d, 'b> {
        todo!()
    }
}
