//! Accounts as people type them.

use anyhow::{Context, Result, anyhow};
use switchyard_domain::{AccountId, AccountKind, Currency, MerchantId};
use switchyard_server::index::Names;

const CURRENCIES: [Currency; 4] = [Currency::CNY, Currency::USD, Currency::HKD, Currency::EUR];

/// `KIND/OWNER/CURRENCY` as it is printed, the kind in any spelling: `MerchantPayable/3/CNY`,
/// `merchant-payable/104310012345678/156`. The owner is a number in the registry or a merchant's DE 42.
pub(crate) fn parse(text: &str, names: &mut Names<'_>) -> Result<AccountId> {
    let wrong = || format!("{text:?} is no account: KIND/OWNER/CURRENCY, for example merchant-payable/0/CNY");
    let parts: Vec<&str> = text.split('/').collect();
    let [kind, owner, currency] = parts[..] else { return Err(anyhow!(wrong())) };
    let plain = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
    let kind = AccountKind::ALL.into_iter().find(|known| plain(&format!("{known:?}")) == plain(kind));
    let currency = match currency.parse() {
        Ok(code) => Currency::from_numeric(code),
        Err(_) => CURRENCIES.into_iter().find(|known| known.to_string().eq_ignore_ascii_case(currency)),
    };
    let owner = match owner.parse::<u32>() {
        Ok(owner) => owner,
        Err(_) => {
            let id: MerchantId = owner.parse().ok().with_context(wrong)?;
            names.merchant_index(&id)?.with_context(|| format!("{owner} is no merchant"))?.0
        }
    };
    Ok(AccountId::of(kind.with_context(wrong)?, owner, currency.with_context(wrong)?))
}
