//! Values that a configuration key can have: how each is read, written and described.

use std::net::SocketAddr;
use std::path::PathBuf;

use switchyard_domain::LinkDialect;
use switchyard_wire::{EnvelopeError, EnvelopeKind, Framing, FramingError};
use toml::de::DeValue;

/// A value of the configuration file.
pub(crate) trait Value: Sized {
    /// Reads it, or says what is expected instead.
    fn read(value: &DeValue<'_>) -> Result<Self, String>;
    /// As TOML.
    fn literal(&self) -> String;
    /// Position in the range of a key, where that makes sense.
    fn magnitude(&self) -> Option<u64> {
        None
    }
}

macro_rules! integer {
    ($($kind:ty),*) => {$(
        impl Value for $kind {
            fn read(value: &DeValue<'_>) -> Result<Self, String> {
                let number = value.as_integer().ok_or_else(|| expected("a whole number", value))?;
                let digits = number.as_str().replace('_', "");
                Self::from_str_radix(&digits, number.radix()).map_err(|_| format!("{digits} is out of range"))
            }
            fn literal(&self) -> String {
                group_digits(u64::from(*self))
            }
            fn magnitude(&self) -> Option<u64> {
                Some(u64::from(*self))
            }
        }
    )*};
}
integer!(u16, u32, u64);

impl Value for bool {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| expected("true or false", value))
    }
    fn literal(&self) -> String {
        self.to_string()
    }
}

impl Value for SocketAddr {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = value.as_str().ok_or_else(|| expected("an address", value))?;
        text.parse().map_err(|_| format!("expected ADDRESS:PORT, found {text:?}"))
    }
    fn literal(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Value for String {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = value.as_str().ok_or_else(|| expected("text", value))?;
        if text.trim().is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
    }
    fn literal(&self) -> String {
        format!("{self:?}")
    }
}

/// Where terminals of a generic dialect connect, and what stands around their messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenericListener {
    /// Where.
    pub address: SocketAddr,
    /// What they speak.
    pub dialect: LinkDialect,
    /// How their frames are delimited.
    pub framing: Framing,
    /// What stands before a message in its frame.
    pub envelope: EnvelopeKind,
}

impl GenericListener {
    fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let mut word = |what: &str| words.next().ok_or_else(|| format!("{text:?} lacks its {what}"));
        let address = word("address")?;
        let address = address.parse().map_err(|_| format!("expected ADDRESS:PORT, found {address:?}"))?;
        let name = word("dialect")?;
        let names = LinkDialect::names();
        let dialect =
            LinkDialect::named(name).ok_or_else(|| format!("expected one of {names}, found {name:?}"))?;
        let framing = word("framing")?.parse().map_err(|error: FramingError| error.to_string())?;
        let envelope = match words.next() {
            Some(name) => name.parse().map_err(|error: EnvelopeError| error.to_string())?,
            None => EnvelopeKind::None,
        };
        match words.next() {
            Some(rest) => Err(format!("{rest:?} is too much in {text:?}")),
            None => Ok(Self { address, dialect, framing, envelope }),
        }
    }
}

impl Value for Vec<GenericListener> {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let list = value.as_array().ok_or_else(|| expected("a list of text", value))?;
        let one = |value: &DeValue<'_>| {
            GenericListener::parse(value.as_str().ok_or_else(|| expected("text", value))?)
        };
        list.iter().map(|value| one(value.get_ref())).collect()
    }
    fn literal(&self) -> String {
        let texts = self.iter().map(|listener| {
            let GenericListener { address, dialect, framing, envelope } = listener;
            format!("\"{address} {} {} {}\"", dialect.name(), framing.name(), envelope.name())
        });
        format!("[{}]", texts.collect::<Vec<_>>().join(", "))
    }
}

/// A path that may be left to the data directory's layout: the empty string.
impl Value for Option<PathBuf> {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = value.as_str().ok_or_else(|| expected("a path", value))?;
        Ok((!text.is_empty()).then(|| PathBuf::from(text)))
    }
    fn literal(&self) -> String {
        match self {
            Some(path) => format!("{:?}", path.display().to_string()),
            None => "\"\"".to_owned(),
        }
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }
        impl $name {
            /// As the configuration file spells it.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
        impl Value for $name {
            fn read(value: &DeValue<'_>) -> Result<Self, String> {
                match value.as_str() {
                    $(Some($word) => Ok(Self::$variant),)*
                    Some(other) => Err(format!("expected one of {}, found {other:?}", [$($word),*].join(", "))),
                    None => Err(expected(&format!("one of {}", [$($word),*].join(", ")), value)),
                }
            }
            fn literal(&self) -> String {
                format!("\"{}\"", self.word())
            }
        }
    };
}

words!(
    /// What the switch is run for.
    Profile {
        /// A trial: a local master key made by `init --demo` is taken.
        Demo = "demo",
        /// The real thing: a demo local master key is refused.
        Production = "production",
    }
);
words!(
    /// Who does PIN work and makes keys.
    HsmBackend {
        /// The key library in this process.
        Software = "software",
        /// Modules with the payShield command set.
        PayShield = "payshield",
        /// A module behind a PKCS#11 library.
        Pkcs11 = "pkcs11",
    }
);
words!(
    /// How a group commit is made durable.
    SyncMethod {
        /// A write and an `fdatasync`.
        Fdatasync = "fdatasync",
        /// One write past the page cache.
        Direct = "direct",
    }
);
words!(
    /// The least severe log line that is written.
    LogLevel {
        /// Failures.
        Error = "error",
        /// And what an operator should look at.
        Warn = "warn",
        /// And changes of state that an operator can see.
        Info = "info",
        /// And details of each message, never its bytes.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
);
words!(
    /// The form of log lines.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
);

fn expected(what: &str, value: &DeValue<'_>) -> String {
    format!("expected {what}, found {}", value.type_str())
}

/// `65536` as `65_536`.
pub(crate) fn group_digits(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('_');
        }
        out.push(digit);
    }
    out
}
