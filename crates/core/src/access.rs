//! Who may do what at the console: one table of commands and roles.
//!
//! A command without a row does not compile: [`Command::act`] and the administrators' socket name an [`Act`] for each of
//! theirs, and an act is a row of this table.

use crate::input::Command;
use crate::key::KeyCommand;
use crate::order::Order;
use crate::user::UserCommand;
use switchyard_domain::{Actor, KeyMove, KeyUse, LinkOrder, Role, UserName};

macro_rules! acts {
    ($($(#[$doc:meta])* $act:ident = $name:literal: [$($role:ident)*];)*) => {
        /// Something that a person does at the console.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Act { $($(#[$doc])* $act,)* }

        impl Act {
            /// Every act, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$act,)*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$act => $name,)* }
            }
            /// The roles that may. An act without any is the switch's own.
            pub fn roles(self) -> &'static [Role] {
                match self { $(Self::$act => &[$(Role::$role,)*],)* }
            }
        }
    };
}

acts! {
    /// How the switch is doing.
    Status = "status": [Admin Operator Risk Finance KeyCustodian Auditor];
    /// How its links are doing.
    Links = "links": [Admin Operator Risk Finance KeyCustodian Auditor];
    /// Who and what is registered.
    Registry = "registry": [Admin Operator Risk Finance KeyCustodian Auditor];
    /// The digest of the state.
    Digest = "digest": [Admin Operator Risk Finance KeyCustodian Auditor];
    /// Debits and credits of the book.
    TrialBalance = "trial-balance": [Admin Finance Auditor];
    /// How far the projections are.
    Projections = "projections": [Admin Operator Risk Finance KeyCustodian Auditor];
    /// Makes the projections anew.
    Reindex = "reindex": [Admin Operator];
    /// Reads the configuration again.
    ReloadConfig = "reload-config": [Admin Operator];
    /// A merchant joins.
    RegisterMerchant = "register-merchant": [Admin Operator];
    /// A terminal is bound to its merchant.
    BindTerminal = "bind-terminal": [Admin Operator];
    /// A link to an issuer.
    AddLink = "add-link": [Admin Operator];
    /// A range of card numbers goes somewhere.
    AddRoute = "add-route": [Admin Operator];
    /// It goes there no more.
    RemoveRoute = "remove-route": [Admin Operator];
    /// A card product that ranges may name.
    AddProduct = "add-product": [Admin Operator];
    /// Its names, what its cards are not for, and when a PIN is asked for.
    ChangeProduct = "change-product": [Admin Operator];
    /// What merchants pay.
    SetFeePlan = "set-fee-plan": [Admin Finance];
    /// The embedded issuer gives out a card.
    IssueCard = "issue-card": [Admin Operator];
    /// What a link is for.
    OrderLink = "order-link": [Admin Operator];
    /// What a terminal may do.
    OrderTerminal = "order-terminal": [Admin Operator];
    /// What a merchant may do.
    OrderMerchant = "order-merchant": [Admin Operator Risk];
    /// How a link is reached and spoken to.
    ChangeLink = "change-link": [Admin Operator];
    /// A merchant's name or category.
    ChangeMerchant = "change-merchant": [Admin Operator];
    /// Where a merchant's payouts go, or what it pays.
    ChangeMerchantTerms = "change-merchant-terms": [Admin Finance];
    /// Whose a terminal is, or how it authenticates.
    ChangeTerminal = "change-terminal": [Admin Operator];
    /// Sends out of the store-and-forward queue.
    RetrySaf = "retry-saf": [Admin Operator];
    /// Ends an entry of the queue by the issuer's word, which moves money.
    ResolveSaf = "resolve-saf": [Admin Operator Finance];
    /// Closes a batch without its terminal.
    CloseBatch = "close-batch": [Admin Operator Finance];
    /// Settles a difference of a batch.
    ResolveCase = "resolve-case": [Admin Operator Finance];
    /// Ends the business day.
    CutDay = "day-cut": [Admin Operator Finance];
    /// Records a settlement run.
    RecordSettlement = "record-settlement": [Admin Finance];
    /// Moves value that no transaction explains.
    Transfer = "transfer": [Admin Finance];
    /// What an account takes.
    SetAccountRules = "set-account-rules": [Admin Finance Risk];
    /// Limits and risk rules.
    SetRiskRules = "set-risk-rules": [Admin Risk];
    /// Which link takes what.
    SetRoutingRules = "set-routing-rules": [Admin Operator];
    /// What is approved while an issuer is away.
    SetStandInRules = "set-stand-in-rules": [Admin Risk];
    /// Pays out what a rule holds.
    ReleasePayout = "release-payout": [Admin Risk];
    /// Cards onto the hot-card list.
    BlockCards = "block-cards": [Admin Operator Risk];
    /// A card off that list.
    UnblockCard = "unblock-card": [Admin Operator Risk];
    /// What terminals download.
    SetDownload = "set-download": [Admin Operator];
    /// What they download no more.
    RemoveDownload = "remove-download": [Admin Operator];
    /// Rates at which cardholders are billed in another currency.
    SetRate = "set-rate": [Admin Finance];
    /// Wraps a clear key that somebody brings along, for a terminal or a link.
    WrapKey = "wrap-key": [Admin Operator KeyCustodian];
    /// A key that is wrapped already; one that seals cards is a rotation.
    InstallKey = "install-key": [Admin];
    /// Seals cards under a new key.
    RotateCardKey = "rotate-card-key": [Admin KeyCustodian];
    /// Destroys keys that sealed cards.
    ShredCardKeys = "shred-card-keys": [Admin KeyCustodian];
    /// Every key by name and check value.
    Keys = "keys": [Admin Operator KeyCustodian Auditor];
    /// Custodians are to bring a key together, or are not any more.
    BeginCeremony = "begin-ceremony": [Admin KeyCustodian];
    /// A component is drawn, or brought.
    LoadComponent = "load-component": [KeyCustodian];
    /// A key goes out under a transport key.
    ExportKey = "export-key": [Admin KeyCustodian];
    /// A key comes in under one.
    ImportKey = "import-key": [Admin KeyCustodian];
    /// Under which transport key a link's PIN keys may come over the line.
    AgreeLinkKeys = "agree-link-keys": [Admin KeyCustodian];
    /// Asks a link's host for another PIN key.
    RenewLinkKey = "renew-link-key": [Admin Operator KeyCustodian];
    /// A terminal gets another master key.
    InjectKey = "inject-key": [Admin Operator KeyCustodian];
    /// A terminal may fetch another master key over the line.
    OfferKey = "offer-key": [Admin Operator KeyCustodian];
    /// It may not any more.
    WithdrawKey = "withdraw-key": [Admin Operator KeyCustodian];
    /// Another local master key, which its custodians bring together.
    ChangeLmk = "change-lmk": [Admin KeyCustodian];
    /// Destroys the local master keys before the one in force.
    RetireLmk = "retire-lmk": [Admin KeyCustodian];
    /// Wraps keys anew, under the local master key in force.
    TranslateKeys = "translate-keys": [];
    /// Who can log in.
    Users = "users": [Admin KeyCustodian Auditor];
    /// A person can log in from now on.
    AddUser = "add-user": [Admin];
    /// What a user may do, and whether.
    OrderUser = "order-user": [Admin];
    /// Another's password.
    ResetPassword = "reset-password": [Admin];
    /// One's own.
    ChangePassword = "change-password": [Admin Operator Risk Finance KeyCustodian Auditor];
    /// Compares passwords and counts wrong ones.
    CheckLogin = "check-login": [];
    /// Makes a ledger.
    Genesis = "genesis": [Admin];
}

impl Act {
    /// What setting a password is: one's own, or another's.
    pub fn of_password(actor: &Actor, user: &UserName) -> Self {
        let own = matches!(actor, Actor::User(own) if own == user);
        if own { Self::ChangePassword } else { Self::ResetPassword }
    }
}

impl Command {
    /// What doing this is, for `actor`.
    pub fn act(&self, actor: &Actor) -> Act {
        match self {
            Self::Genesis(_) => Act::Genesis,
            Self::InstallKey { name, .. } if name.usage == KeyUse::CardData => Act::RotateCardKey,
            Self::InstallKey { .. } => Act::InstallKey,
            Self::ShredCardKeys { .. } => Act::ShredCardKeys,
            Self::Register(_) => Act::RegisterMerchant,
            Self::Bind(_) => Act::BindTerminal,
            Self::AddLink(_) => Act::AddLink,
            Self::AddRoute(_) => Act::AddRoute,
            Self::SetFeePlan(_) => Act::SetFeePlan,
            Self::IssueCard { .. } => Act::IssueCard,
            Self::CutDay => Act::CutDay,
            Self::RecordSettlement { .. } => Act::RecordSettlement,
            Self::SetAccountRules { .. } => Act::SetAccountRules,
            Self::Transfer(_) => Act::Transfer,
            Self::Order(order) => order.act(),
            Self::Expecting { command, .. } => command.act(actor),
            Self::Configure(_) => Act::ReloadConfig,
            Self::Links => Act::Links,
            Self::SetRiskRules(_) => Act::SetRiskRules,
            Self::SetRoutingRules(_) => Act::SetRoutingRules,
            Self::SetStandInRules(_) => Act::SetStandInRules,
            Self::ReleasePayout { .. } => Act::ReleasePayout,
            Self::Digest => Act::Digest,
            Self::TrialBalance => Act::TrialBalance,
            Self::User(command) => command.act(actor),
            Self::Key(command) => command.act(),
            Self::May(act) => *act,
        }
    }
}

impl Order {
    /// What giving this order is.
    pub fn act(&self) -> Act {
        match self {
            Self::Link { what: LinkOrder::KeyUnder(_), .. } => Act::AgreeLinkKeys,
            Self::Link { what: LinkOrder::NewKey, .. } => Act::RenewLinkKey,
            Self::Link { .. } => Act::OrderLink,
            Self::Terminal { .. } => Act::OrderTerminal,
            Self::Merchant { .. } => Act::OrderMerchant,
            Self::ChangeLink { .. } => Act::ChangeLink,
            Self::ChangeMerchant { change, .. } if change.is_of_terms() => Act::ChangeMerchantTerms,
            Self::ChangeMerchant { .. } => Act::ChangeMerchant,
            Self::ChangeTerminal { .. } => Act::ChangeTerminal,
            Self::RetrySaf { .. } => Act::RetrySaf,
            Self::ResolveSaf { .. } => Act::ResolveSaf,
            Self::CloseBatch { .. } => Act::CloseBatch,
            Self::ResolveCase { .. } => Act::ResolveCase,
            Self::BlockCards { .. } => Act::BlockCards,
            Self::UnblockCard { .. } => Act::UnblockCard,
            Self::RemoveRoute { .. } => Act::RemoveRoute,
            Self::AddProduct { .. } => Act::AddProduct,
            Self::ChangeProduct { .. } => Act::ChangeProduct,
            Self::SetDownload { .. } => Act::SetDownload,
            Self::RemoveDownload { .. } => Act::RemoveDownload,
            Self::SetRate { .. } => Act::SetRate,
        }
    }
}

impl KeyCommand {
    fn act(&self) -> Act {
        match self {
            Self::Begin { .. } | Self::Cancel { .. } => Act::BeginCeremony,
            Self::Drawn { .. } | Self::Load { .. } => Act::LoadComponent,
            Self::Facts { .. } | Self::TerminalFacts { .. } | Self::List => Act::Keys,
            Self::ChangeLmk(_) => Act::ChangeLmk,
            Self::RetireLmk { .. } => Act::RetireLmk,
            Self::Wrapped { .. } | Self::Translate { .. } | Self::Waiting | Self::TranslateWaiting { .. } => {
                Act::TranslateKeys
            }
            Self::Offer(_) => Act::OfferKey,
            Self::Withdraw { .. } => Act::WithdrawKey,
            Self::Move { way, .. } => match way {
                KeyMove::Exported => Act::ExportKey,
                KeyMove::Imported => Act::ImportKey,
                KeyMove::Injected => Act::InjectKey,
            },
        }
    }
}

impl UserCommand {
    fn act(&self, actor: &Actor) -> Act {
        match self {
            Self::Add { .. } => Act::AddUser,
            Self::Order { .. } => Act::OrderUser,
            Self::SetPassword { user, .. } | Self::Passwords { user } => Act::of_password(actor, user),
            Self::List => Act::Users,
            Self::BeginLogin { .. } | Self::EndLogin { .. } => Act::CheckLogin,
        }
    }
}
