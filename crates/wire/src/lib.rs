//! ISO 8583 messages as bytes: dialects as data, framing, parse, build, describe.
