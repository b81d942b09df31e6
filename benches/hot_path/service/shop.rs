//! The work of a small API: who asks, two queries, a table, an answer of some KB.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use osprofiler::{Trace, info};
use rusqlite::Connection;
use serde::Serialize;
use sha1::Sha1;

const PROJECTS: i64 = 50;
const ITEMS: i64 = 20_000;

const PROJECT: &str = "SELECT project.name, user.name, count(*), max(item.updated)
    FROM project JOIN user ON user.id = project.owner JOIN item ON item.project = project.id
    WHERE project.id = ?1";
const NEWEST: &str = "SELECT id, name, description, updated FROM item
    WHERE project = ?1 ORDER BY updated DESC LIMIT 20";

/// What a token is signed with.
const TOKENS: &[u8] = b"the key of the tokens";

/// What a thread of the service needs for its answers.
pub(super) struct Shop {
    db: Connection,
    /// In cents, by item.
    prices: HashMap<i64, u32>,
}

struct Project {
    name: String,
    owner: String,
    items: i64,
    updated: i64,
}

struct Item {
    id: i64,
    name: String,
    description: String,
    updated: i64,
}

#[derive(Serialize)]
struct Offer {
    id: i64,
    name: String,
    description: String,
    updated: i64,
    price: String,
    reduced: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    user: &'a str,
    project: &'a str,
    owner: &'a str,
    items: i64,
    updated: i64,
    offers: Vec<Offer>,
}

impl Shop {
    pub(super) fn new() -> Self {
        let db = Connection::open_in_memory().expect("memory");
        db.execute_batch(&format!(
            "CREATE TABLE user (id INTEGER PRIMARY KEY, name TEXT);
             CREATE TABLE project (id INTEGER PRIMARY KEY, owner INTEGER, name TEXT);
             CREATE TABLE item (id INTEGER PRIMARY KEY, project INTEGER, name TEXT,
                                description TEXT, updated INTEGER);
             CREATE INDEX item_project ON item (project);
             WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {PROJECTS})
             INSERT INTO project SELECT i, i % 9, 'project ' || i FROM n;
             WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9)
             INSERT INTO user SELECT i, 'user ' || i FROM n;
             WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {ITEMS})
             INSERT INTO item SELECT i, i % {PROJECTS}, 'item ' || i,
                 'A thing of many uses, number ' || i || ', in seven colours, each in two sizes',
                 1767355200 + i * 7919 % 86400 FROM n;"
        ))
        .expect("tables");
        let prices = (0..ITEMS).map(|id| (id, 100 + (id * 7919 % 9900) as u32)).collect();
        Self { db, prices }
    }

    /// The five steps.
    pub(super) fn answer(&self, token: &str, id: i64) -> String {
        let user = authorize(token);
        let project = self.project(id);
        let items = self.newest(id);
        let offers = self.offers(items);
        render(user, &project, offers)
    }

    /// The same, each step a point.
    pub(super) fn traced_answer(&self, token: &str, id: i64) -> String {
        let user = {
            let mut point =
                Trace::new("auth", info! { "scheme" => "hmac-sha1", "length" => token.len() });
            let user = authorize(token);
            point.on_stop(info! { "user" => user });
            user
        };
        let project = {
            let mut point =
                Trace::new("db", info! { "db" => { "statement" => PROJECT, "params" => [id] } });
            let project = self.project(id);
            point.on_stop(info! { "db" => { "rows" => 1 } });
            project
        };
        let items = {
            let mut point =
                Trace::new("db", info! { "db" => { "statement" => NEWEST, "params" => [id] } });
            let items = self.newest(id);
            point.on_stop(info! { "db" => { "rows" => items.len() } });
            items
        };
        let offers = {
            let _point =
                Trace::new("prices", info! { "project" => project.name, "items" => items.len() });
            self.offers(items)
        };
        let mut point =
            Trace::new("render", info! { "template" => "offers", "offers" => offers.len() });
        let text = render(user, &project, offers);
        point.on_stop(info! { "bytes" => text.len() });
        text
    }

    fn project(&self, id: i64) -> Project {
        self.db
            .prepare_cached(PROJECT)
            .and_then(|mut query| {
                query.query_row([id], |row| {
                    let (name, owner) = (row.get(0)?, row.get(1)?);
                    Ok(Project { name, owner, items: row.get(2)?, updated: row.get(3)? })
                })
            })
            .expect("a project")
    }

    fn newest(&self, project: i64) -> Vec<Item> {
        let item = |row: &rusqlite::Row<'_>| {
            let (id, name) = (row.get(0)?, row.get(1)?);
            Ok(Item { id, name, description: row.get(2)?, updated: row.get(3)? })
        };
        self.db
            .prepare_cached(NEWEST)
            .and_then(|mut query| query.query_map([project], item)?.collect())
            .expect("items")
    }

    fn offers(&self, items: Vec<Item>) -> Vec<Offer> {
        let offer = |item: Item| {
            let cents = self.prices[&item.id];
            let reduced = item.updated % 2 == 0;
            let cents = if reduced { cents - cents / 10 } else { cents };
            let price = format!("{}.{:02} EUR", cents / 100, cents % 100);
            let Item { id, name, description, updated } = item;
            Offer { id, name, description, updated, price, reduced }
        };
        items.into_iter().map(offer).collect()
    }
}

/// Five points around nothing.
pub(super) fn traced_hello() -> &'static str {
    for name in ["auth", "project", "newest", "prices", "render"] {
        let _point = Trace::new(name, info! { "step" => name, "text" => "there is nothing to do" });
    }
    "hello"
}

/// A token for the user.
pub(super) fn token(user: &str) -> String {
    format!("{user}:{}", signature(user))
}

fn signature(user: &str) -> String {
    let mac = Hmac::<Sha1>::new_from_slice(TOKENS).expect("a key of any length");
    let bytes = mac.chain_update(user).finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn authorize(token: &str) -> &str {
    let (user, tag) = token.split_once(':').expect("a token");
    assert_eq!(tag, signature(user), "a token of ours");
    user
}

fn render(user: &str, project: &Project, offers: Vec<Offer>) -> String {
    let Project { name, owner, items, updated } = project;
    let answer = Answer { user, project: name, owner, items: *items, updated: *updated, offers };
    serde_json::to_string(&answer).expect("text")
}
