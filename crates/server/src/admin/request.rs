//! What administrators ask for, as it comes over the socket.

use serde::Deserialize;
use switchyard_core::{Act, Command, Order, UserCommand};
use switchyard_domain::{
    AccountId, AccountRules, Actor, CardIssued, FeePlan, KeyUse, Link, Merchant, Reason, Record, RiskRules,
    Roles, Route, RoutingRules, StandInRules, Terminal, TransactionId, Transfer, UserName, UserOrder,
};
use switchyard_keys::password::Password;

use crate::clear_key::ClearKey;
use crate::custody::KeyRequest;
use crate::hot_cards::{CardToBlock, ClearPan};
use crate::lmk::LmkOrder;
use crate::login::Login;
use crate::registry::Ask;

/// What an administrator asks for.
#[derive(Deserialize)]
pub(super) struct Envelope {
    /// Login of the person who asks: no other than the system says.
    #[serde(default)]
    pub(super) operator: Option<String>,
    /// Version of the registry that the person looked at before.
    #[serde(default)]
    pub(super) expect: Option<u64>,
    #[serde(flatten)]
    pub(super) request: Request,
}

#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub(super) enum Request {
    Status,
    Overview,
    Digest,
    TrialBalance,
    DayCut,
    RotateCardKey,
    ShredCardKeys {
        keys: Vec<u16>,
        reason: String,
    },
    RegisterMerchant {
        merchant: Box<Merchant>,
    },
    BindTerminal {
        terminal: Box<Terminal>,
    },
    AddLink {
        link: Box<Link>,
    },
    AddRoute {
        route: Route,
    },
    SetFeePlan {
        plan: FeePlan,
    },
    IssueCard {
        card: Box<CardIssued>,
        balance_minor: u64,
    },
    RecordSettlement {
        records: Vec<Record>,
        merchant_changes: u64,
    },
    Registry {
        ask: Ask,
    },
    Projections,
    Reindex,
    SetAccountRules {
        account: AccountId,
        rules: AccountRules,
    },
    Transfer {
        transfer: Transfer,
    },
    Order {
        order: Order,
    },
    BlockCards {
        cards: Vec<CardToBlock>,
        reason: Reason,
    },
    UnblockCard {
        pan: ClearPan,
        reason: Reason,
    },
    Links,
    ReloadConfig,
    WrapKey {
        usage: KeyUse,
        key: ClearKey,
    },
    SetRiskRules {
        rules: Box<RiskRules>,
    },
    SetRoutingRules {
        rules: Box<RoutingRules>,
    },
    SetStandInRules {
        rules: Box<StandInRules>,
    },
    ReleasePayout {
        transaction: TransactionId,
        reason: String,
    },
    Login(Login),
    Keys,
    Key {
        #[serde(flatten)]
        request: KeyRequest,
    },
    Lmk,
    ChangeLmk(LmkOrder),
    RetireLmk {
        reason: Reason,
    },
    Users,
    AddUser {
        user: UserName,
        roles: Roles,
        password: Password,
    },
    OrderUser {
        user: UserName,
        order: UserOrder,
        reason: Reason,
    },
    SetPassword {
        user: UserName,
        password: Password,
    },
}

impl Request {
    /// What asking for this is, for `actor`: a row of the table of roles.
    pub(super) fn act(&self, actor: &Actor) -> Act {
        match self {
            Self::Status | Self::Overview => Act::Status,
            Self::Digest => Act::Digest,
            Self::TrialBalance => Act::TrialBalance,
            Self::DayCut => Act::CutDay,
            Self::RotateCardKey => Act::RotateCardKey,
            Self::ShredCardKeys { .. } => Act::ShredCardKeys,
            Self::RegisterMerchant { .. } => Act::RegisterMerchant,
            Self::BindTerminal { .. } => Act::BindTerminal,
            Self::AddLink { .. } => Act::AddLink,
            Self::AddRoute { .. } => Act::AddRoute,
            Self::SetFeePlan { .. } => Act::SetFeePlan,
            Self::IssueCard { .. } => Act::IssueCard,
            Self::RecordSettlement { .. } => Act::RecordSettlement,
            Self::Registry { .. } => Act::Registry,
            Self::Projections => Act::Projections,
            Self::Reindex => Act::Reindex,
            Self::SetAccountRules { .. } => Act::SetAccountRules,
            Self::Transfer { .. } => Act::Transfer,
            Self::Order { order } => order.act(),
            Self::BlockCards { .. } => Act::BlockCards,
            Self::UnblockCard { .. } => Act::UnblockCard,
            Self::Links => Act::Links,
            Self::ReloadConfig => Act::ReloadConfig,
            Self::WrapKey { .. } => Act::WrapKey,
            Self::SetRiskRules { .. } => Act::SetRiskRules,
            Self::SetRoutingRules { .. } => Act::SetRoutingRules,
            Self::SetStandInRules { .. } => Act::SetStandInRules,
            Self::ReleasePayout { .. } => Act::ReleasePayout,
            Self::Login(_) => Act::CheckLogin,
            Self::Keys => Act::Keys,
            Self::Key { request } => request.act(),
            Self::Lmk => Act::Keys,
            Self::ChangeLmk(_) => Act::ChangeLmk,
            Self::RetireLmk { .. } => Act::RetireLmk,
            Self::Users => Act::Users,
            Self::AddUser { .. } => Act::AddUser,
            Self::OrderUser { .. } => Act::OrderUser,
            Self::SetPassword { user, .. } => Act::of_password(actor, user),
        }
    }

    /// The command to the core, where it is one as it came; nothing for what takes the server's keys, files or threads.
    pub(super) fn command(self) -> Option<Command> {
        Some(match self {
            Self::Digest => Command::Digest,
            Self::TrialBalance => Command::TrialBalance,
            Self::DayCut => Command::CutDay,
            Self::ShredCardKeys { keys, reason } => Command::ShredCardKeys { keys, reason },
            Self::RegisterMerchant { merchant } => Command::Register(merchant),
            Self::BindTerminal { terminal } => Command::Bind(terminal),
            Self::AddLink { link } => Command::AddLink(link),
            Self::AddRoute { route } => Command::AddRoute(route),
            Self::SetFeePlan { plan } => Command::SetFeePlan(plan),
            Self::IssueCard { card, balance_minor } => Command::IssueCard { card, balance_minor },
            Self::RecordSettlement { records, merchant_changes } => {
                Command::RecordSettlement { records, merchant_changes }
            }
            Self::SetAccountRules { account, rules } => Command::SetAccountRules { account, rules },
            Self::SetRiskRules { rules } => Command::SetRiskRules(rules),
            Self::SetRoutingRules { rules } => Command::SetRoutingRules(rules),
            Self::SetStandInRules { rules } => Command::SetStandInRules(rules),
            Self::ReleasePayout { transaction, reason } => Command::ReleasePayout { transaction, reason },
            Self::Transfer { transfer } => Command::Transfer(transfer),
            Self::Order { order } => Command::Order(order),
            Self::Links => Command::Links,
            Self::Users => Command::User(UserCommand::List),
            Self::OrderUser { user, order, reason } => {
                Command::User(UserCommand::Order { user, order, reason })
            }
            Self::Status
            | Self::Overview
            | Self::Registry { .. }
            | Self::Projections
            | Self::Reindex
            | Self::RotateCardKey
            | Self::BlockCards { .. }
            | Self::UnblockCard { .. }
            | Self::ReloadConfig
            | Self::WrapKey { .. }
            | Self::Login(_)
            | Self::AddUser { .. }
            | Self::SetPassword { .. }
            | Self::Keys
            | Self::Lmk
            | Self::ChangeLmk(_)
            | Self::RetireLmk { .. }
            | Self::Key { .. } => return None,
        })
    }
}
