//! Whose certificate it is: a certificate names the terminals that may speak over its connection.

use rustls::pki_types::{CertificateDer, ServerName};
use switchyard_domain::{MerchantId, TerminalId};

/// What names of terminals end in, so that no name of a machine can pass for one.
const DOMAIN: &str = "terminals";

/// The certificate of a connection's other side, which an authority of ours stands for.
#[derive(Debug)]
pub(crate) struct PeerCertificate {
    der: CertificateDer<'static>,
    /// The terminal that was looked up last: most connections have one only.
    known: Option<(TerminalId, MerchantId)>,
}

impl PeerCertificate {
    pub(crate) fn new(der: CertificateDer<'static>) -> Self {
        Self { der, known: None }
    }

    /// Whether the certificate is for this terminal: one of its DNS names is `TID.MID.terminals`, in letters of either
    /// case, or `*.MID.terminals` for all terminals of a merchant behind one device.
    pub(crate) fn is_for(&mut self, terminal: &TerminalId, merchant: &MerchantId) -> bool {
        if self.known.as_ref().is_some_and(|(t, m)| (t, m) == (terminal, merchant)) {
            return true;
        }
        let name = format!("{}.{}.{DOMAIN}", terminal.as_str().trim(), merchant.as_str().trim());
        // What is no name cannot stand in a certificate.
        let Ok(name) = ServerName::try_from(name.as_str()) else { return false };
        let Ok(certificate) = webpki::EndEntityCert::try_from(&self.der) else { return false };
        let is_for = certificate.verify_is_valid_for_subject_name(&name).is_ok();
        if is_for {
            self.known = Some((*terminal, *merchant));
        }
        is_for
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: &[&str]) -> PeerCertificate {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        PeerCertificate::new(made.cert.der().clone())
    }

    #[test]
    fn a_certificate_is_for_the_terminals_that_it_names() {
        for (names, terminal, merchant, expected) in [
            (&["10000001.898310054110100.terminals"][..], "10000001", "898310054110100", true),
            (&["10000001.898310054110100.terminals"], "10000002", "898310054110100", false),
            (&["10000001.898310054110100.terminals"], "10000001", "898310054110101", false),
            (&["*.898310054110100.terminals"], "10000002", "898310054110100", true),
            (&["*.898310054110100.terminals"], "10000002", "898310054110101", false),
            (&["t000000a.m00000000000001.terminals"], "T000000A", "M00000000000001", true),
            (&["a.b", "10000001.898310054110100.terminals"], "10000001", "898310054110100", true),
            (&["10000001.898310054110100"], "10000001", "898310054110100", false),
            (&["*.terminals"], "10000001", "898310054110100", false),
        ] {
            let mut certificate = certificate(names);
            let (terminal, merchant) = (terminal.parse().unwrap(), merchant.parse().unwrap());
            for _ in 0..2 {
                assert_eq!(certificate.is_for(&terminal, &merchant), expected, "{names:?} {terminal:?}");
            }
        }
    }

    #[test]
    fn what_was_looked_up_before_does_not_let_another_in() {
        let mut certificate = certificate(&["10000001.898310054110100.terminals"]);
        let merchant = "898310054110100".parse().unwrap();
        assert!(certificate.is_for(&"10000001".parse().unwrap(), &merchant));
        assert!(!certificate.is_for(&"10000002".parse().unwrap(), &merchant));
        assert!(!PeerCertificate::new(vec![1, 2, 3].into()).is_for(&"10000001".parse().unwrap(), &merchant));
    }
}
