//! The index and the projections of a running switch: they say what the core knows, and nothing hangs on them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::{CARD, Client, FOREIGN_CARD, Issuer, MERCHANT, TERMINAL, config, install, start, until};
use switchyard_book::{AccountHistory, Book, Side};
use switchyard_core::{Core, CoreConfig};
use switchyard_domain::{AccountId, Record, Stamped};
use switchyard_ledger::Sequence;
use switchyard_ledger::index::{Index, Key, Query};
use switchyard_ledger::projection::{Projector, Trouble};
use switchyard_server::index::{self as keys, Names};
use switchyard_server::registry::{
    self, Ask, CardRow, FeePlanRow, LinkRow, MerchantRow, RouteRow, Source, TerminalRow,
};
use switchyard_server::{Switch, replay};

/// A day's worth of what terminals do, over both kinds of cards.
async fn traffic(switch: &Switch) {
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    for stan in 2..40 {
        let card = if stan % 3 == 0 { FOREIGN_CARD } else { CARD };
        let sale = client.sale(card, stan, 100 + stan);
        assert!(!client.ask(&sale).await.code.is_empty());
        if stan % 5 == 0 {
            client.ask(&client.reversal(card, stan, 100 + stan)).await;
        }
    }
}

fn records(ledger: &Path) -> Vec<Stamped> {
    let mut all = Vec::new();
    replay(ledger, |stamped| {
        all.push(stamped.clone());
        Ok(())
    })
    .unwrap();
    all
}

fn all_under(index: &Index, key: Key) -> Vec<u64> {
    let (mut found, mut query) = (Vec::new(), Query { limit: 7, ..Query::new(key) });
    loop {
        let page = index.page(&query).unwrap();
        found.extend(page.sequences.iter().map(|seq| seq.0));
        query.after = page.cursor().or(query.after);
        if !page.more {
            return found;
        }
    }
}

/// Everything that the index says, against a look at every record.
fn check_index(index: &Index, records: &[Stamped]) {
    let mut expected: BTreeMap<Key, Vec<u64>> = BTreeMap::new();
    let mut put = |key: Key, at: usize| {
        let list = expected.entry(key).or_default();
        if list.last() != Some(&(at as u64)) {
            list.push(at as u64);
        }
    };
    for (at, stamped) in records.iter().enumerate() {
        if let Record::Opened(opened) | Record::Decided { opened, .. } = &stamped.record {
            put(keys::every_transaction(), at);
            put(keys::by_rrn(&opened.rrn), at);
            put(keys::by_place(opened.key.terminal, opened.key.batch, opened.key.stan), at);
            put(keys::by_terminal(opened.key.terminal), at);
            put(keys::by_merchant(opened.key.merchant), at);
            put(keys::of_transaction(opened.id), at);
            let card = opened.card.as_ref().unwrap();
            put(keys::by_card(&card.hash), at);
            put(keys::by_masked_card(&card.masked, opened.day), at);
        }
        for posting in stamped.record.entry().into_iter().flat_map(|entry| &entry.0) {
            put(keys::by_account(&posting.debit), at);
            put(keys::by_account(&posting.credit), at);
        }
        match &stamped.record {
            Record::Resolved { transaction, .. } => put(keys::of_transaction(*transaction), at),
            Record::ReversalTaken { original, key, .. } => {
                original.iter().for_each(|id| put(keys::of_transaction(*id), at));
                put(keys::reversals_at(key.terminal, key.batch, key.stan), at);
            }
            _ => {}
        }
    }
    assert!(expected.len() > 100, "{}", expected.len());
    for (key, sequences) in &expected {
        assert_eq!(&all_under(index, *key), sequences, "{key:?}");
    }
    for (at, stamped) in records.iter().enumerate() {
        let mut bytes = Vec::new();
        stamped.encode(&mut bytes);
        assert_eq!(index.record(Sequence(at as u64)).unwrap(), Some(bytes));
    }
    let last = records.last().unwrap().at.0;
    assert_eq!(index.first_at(last + 1).unwrap().0, records.len() as u64);
    let mut names = Names::new(index);
    let terminal = names.terminal_index(&TERMINAL.parse().unwrap()).unwrap().unwrap();
    assert_eq!(names.terminal(terminal).unwrap().unwrap().id.as_str(), TERMINAL);
    let merchant = names.merchant_index(&MERCHANT.parse().unwrap()).unwrap().unwrap();
    assert_eq!(names.merchant(merchant).unwrap().unwrap().id.as_str(), MERCHANT);
    assert_eq!(names.terminal_index(&"NOBODY".parse().unwrap()).unwrap(), None);
}

/// Each account followed by its own records alone, against the whole book after every record.
fn check_accounts(index: &Index, records: &[Stamped]) {
    let mut book = Book::new();
    let mut followed: BTreeMap<AccountId, (AccountHistory, Vec<u64>)> = BTreeMap::new();
    for (at, stamped) in records.iter().enumerate() {
        book.replay(&stamped.record).unwrap();
        for account in book.accounts().keys() {
            followed.entry(*account).or_insert_with(|| {
                let list = all_under(index, keys::by_account(account));
                (AccountHistory::new(*account), list)
            });
        }
        for (account, (history, list)) in &mut followed {
            if list.binary_search(&(at as u64)).is_ok() {
                let entry = stamped.record.entry().unwrap();
                history
                    .take(at as u64, stamped.at, entry, |line| {
                        assert!(matches!(line.side, Side::Debit | Side::Credit));
                    })
                    .unwrap();
            }
            assert_eq!(history.balance(), book.balance(*account), "{account} after record {at}");
        }
    }
    assert!(followed.len() > 3, "{} accounts", followed.len());
}

/// The projected registry against the core's.
fn check_registry(source: &mut impl Source, ledger: &Path) {
    let mut core = Core::new(CoreConfig::default());
    replay(ledger, |stamped| core.replay(stamped)).unwrap();
    let known = core.state().registry();
    let merchants: Vec<MerchantRow> = registry::list(source, None, 10_000).unwrap();
    assert!(known.merchants().map(|(_, merchant)| merchant).eq(merchants.iter().map(|row| &row.merchant)));
    let terminals: Vec<TerminalRow> = registry::list(source, None, 10_000).unwrap();
    assert_eq!(terminals.len(), known.terminals().count());
    for ((index, terminal, keys), row) in known.terminals().zip(&terminals) {
        assert_eq!(
            (row.number, row.id, row.merchant, row.mac),
            (index.0, terminal.id, terminal.merchant, terminal.mac)
        );
        assert_eq!(row.check_value, terminal.master_key.check_value);
        assert_eq!(row.key_version, keys.map_or(0, |keys| keys.version));
        assert_eq!(Some(row.signed_on), known.is_signed_on(index));
        assert_eq!(registry::terminal(source, &terminal.id).unwrap().as_ref(), Some(row));
    }
    let links: Vec<LinkRow> = registry::list(source, None, 10_000).unwrap();
    assert_eq!(links.len(), known.links().count());
    for ((index, link), row) in known.links().zip(&links) {
        assert_eq!((row.number, &row.name, &row.address), (u32::from(index.0), &link.name, &link.address));
        assert_eq!((row.dialect, &row.framing), (link.dialect, &link.framing));
        assert_eq!(
            (row.check_value, row.answer_timeout_ms),
            (link.pin_key.check_value, link.answer_timeout_ms)
        );
    }
    let routes: Vec<RouteRow> = registry::list(source, None, 10_000).unwrap();
    let mut routes: Vec<_> = routes.into_iter().map(|row| row.route).collect();
    routes.sort_by_key(|route| (route.high.saturating_sub(route.low), route.low));
    assert_eq!(routes, known.routes());
    let cards: Vec<CardRow> = registry::list(source, None, 10_000).unwrap();
    let expected: Vec<_> = known.cards().map(|card| (card.card.masked, card.currency)).collect();
    assert_eq!(cards.iter().map(|row| (row.masked, row.currency)).collect::<Vec<_>>(), expected);
    let plans: Vec<FeePlanRow> = registry::list(source, None, 10_000).unwrap();
    assert!(plans.iter().map(|row| &row.plan).eq(known.fee_plans()));
    let asked = registry::answer(source, &Ask::Merchant { id: MERCHANT.parse().unwrap() }).unwrap();
    assert_eq!((asked.len(), &asked[0]["mid"]), (1, &MERCHANT.into()));
    assert!(registry::answer(source, &Ask::Terminal { id: "NOBODY".parse().unwrap() }).unwrap().is_empty());
}

fn open(dir: &Path) -> Projector {
    registry::open(&dir.join("projections"), &dir.join("ledger"), |_| {}).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_derived_says_what_the_core_and_the_records_say() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = Issuer::start().await;
    install(dir.path(), Some(issuer.address));
    let (switch, _) = start(dir.path(), config()).await;
    until("the link", || switch.status().links.iter().all(|link| link.up)).await;
    traffic(&switch).await;
    let (ledger, rows) = (dir.path().join("ledger"), switch.rows().unwrap());
    let all_known = || rows.reached().is_ok_and(|(reached, durable)| reached == durable);
    until("the projections", all_known).await;
    let index = switch.index().unwrap();
    let live = records(&ledger);
    check_index(&index, &live);
    check_registry(&mut rows.clone(), &ledger);
    rows.begin_anew().unwrap();
    until("the projections", all_known).await;
    check_registry(&mut rows.clone(), &ledger);
    switch.shutdown().await.unwrap();

    let all = records(&ledger);
    let index = keys::open(&ledger).unwrap();
    check_index(&index, &all);
    check_accounts(&index, &all);
    check_registry(&mut open(dir.path()), &ledger);
    std::fs::remove_dir_all(dir.path().join("projections")).unwrap();
    check_registry(&mut open(dir.path()), &ledger);
    for (at, stamped) in all.iter().enumerate() {
        if let Record::Opened(opened) = &stamped.record {
            let story = keys::story(&index, opened.id).unwrap();
            assert_eq!(story[0].0, Sequence(at as u64));
            assert!(story.iter().any(|(_, told)| matches!(told.record, Record::Resolved { .. })));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminals_are_served_while_neither_index_nor_projections_can_be_had() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), None);
    let projections = dir.path().join("projections");
    std::fs::remove_dir_all(&projections).ok();
    std::fs::write(&projections, b"a file in the way").unwrap();
    let (switch, fatal) = start(dir.path(), config()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    for stan in 2..12 {
        assert_eq!(client.ask(&client.sale(CARD, stan, 100)).await.code, "00");
    }
    let rows = switch.rows().unwrap();
    until(
        "the failure",
        || matches!(rows.reached(), Err(Trouble::Unavailable(text)) if text != "being opened"),
    )
    .await;
    assert_eq!(client.ask(&client.sale(CARD, 12, 100)).await.code, "00");
    drop(client);
    switch.shutdown().await.unwrap();
    assert!(fatal.lock().unwrap().is_none());
    // A reading command has the ledger.
    check_registry(&mut open(dir.path()), &dir.path().join("ledger"));
}

/// sled's files are torn out from under a switch that serves: what it says may be lost, terminals hear no less.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_breaks_in_service_is_made_anew_and_no_terminal_notices() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), None);
    let (switch, fatal) = start(dir.path(), config()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    std::fs::remove_dir_all(dir.path().join("projections").join("sled")).ok();
    for stan in 2..30 {
        assert_eq!(client.ask(&client.sale(CARD, stan, 100)).await.code, "00");
    }
    drop(client);
    switch.shutdown().await.unwrap();
    assert!(fatal.lock().unwrap().is_none());
    check_registry(&mut open(dir.path()), &dir.path().join("ledger"));
}
