//! The shop's traces, on the real servers.

#[allow(dead_code, reason = "others use the rest")]
#[path = "../../../crates/osprofiler-drivers/tests/common/services.rs"]
mod services;

use std::path::Path;

use osprofiler_report::{Point, Report};
use osprofiler_shop::{Servers, Shop, client};

/// Orders that are under way at the same time.
const MANY: usize = 200;

/// The servers; `None`, and counted, if one does not run.
fn servers() -> Option<Servers> {
    let postgresql = services::url("postgresql", "postgresql")?;
    let redis = services::url("redis", "redis")?;
    Some(Servers::at(&postgresql, &redis, &services::url("messaging", "shop")?))
}

fn shop() -> Option<Shop> {
    let program = Path::new(env!("CARGO_BIN_EXE_osprofiler-shop"));
    Some(Shop::start(program, &servers()?).unwrap())
}

/// Points as an indented tree: service, name, what it was about.
fn tree(report: &Report) -> String {
    let mut out = String::new();
    report.roots().for_each(|root| push(&mut out, root, 0));
    out
}

fn push(out: &mut String, point: Point<'_>, depth: usize) {
    let detail = point.detail().map(|detail| detail.as_str().to_owned()).unwrap_or_default();
    let service = point.service().unwrap_or_default();
    let line = format!("{}{service}: {} {detail}", "  ".repeat(depth), point.name());
    // Ports are others in each run.
    let words = line
        .split(' ')
        .map(|word| if word.starts_with("127.0.0.1:") { host(word) } else { word.to_owned() });
    out.push_str(words.collect::<Vec<_>>().join(" ").trim_end());
    out.push('\n');
    point.children().for_each(|child| push(out, child, depth + 1));
}

fn host(word: &str) -> String {
    word.split_once('/').map(|(_, path)| format!("HOST/{path}")).unwrap_or_default()
}

/// The trace of an item whose price is in the cache.
const KNOWN: &str = "\
front: wsgi POST /orders -> 200
  front: price osprofiler_shop::front::Front::price
    front: http GET HOST/prices/7 -> 200
      prices: wsgi GET /prices/7 -> 200
        prices: redis GET price:7
  front: rpc Take
    stock: rpc Take
      stock: take_one
        stock: db UPDATE shop.stock SET pieces = pieces - 1 WHERE item = $1 AND pieces > 0 RETURNING pieces
  front: rpc charges charge
    worker: rpc charges charge
      worker: db BEGIN
      worker: mail osprofiler_shop::worker::mail
      worker: db INSERT INTO shop.charge (item, price) VALUES ($1, $2) RETURNING id
      worker: db COMMIT
";

/// The trace of one whose price is not.
fn unknown() -> String {
    let looked_up = "        prices: redis GET price:7
        prices: db SELECT cents FROM shop.price WHERE item = $1
        prices: redis SETEX price:7
";
    KNOWN.replace("        prices: redis GET price:7\n", looked_up)
}

/// A job and what goes on beside it begin in either order.
fn ordered(tree: &str) -> String {
    let mail = "      worker: mail osprofiler_shop::worker::mail\n";
    let begin = "      worker: db BEGIN\n";
    assert_eq!((tree.matches(mail).count(), tree.matches(begin).count()), (1, 1), "{tree}");
    tree.replace(mail, "").replace(begin, &format!("{begin}{mail}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_point_is_in_its_place_and_none_is_in_another_trace() {
    let Some(shop) = shop() else { return };
    let client = client().unwrap();
    let first = shop.order(&client, 7).await.unwrap();
    let orders = (0..MANY).map(|_| shop.order(&client, 7));
    let others = (0..MANY).map(|_| shop.order_untraced(&client, 7));
    let (many, untraced) = tokio::join!(
        futures_util::future::join_all(orders),
        futures_util::future::join_all(others)
    );
    untraced.into_iter().for_each(|order| order.unwrap());
    let missing = shop.order(&client, 4711).await.unwrap_err();
    assert!(missing.to_string().contains("502"), "{missing}");

    let traces = shop.stop().unwrap();
    assert_eq!(ordered(&tree(&traces.report(&first).unwrap())), unknown());
    for base_id in many {
        assert_eq!(ordered(&tree(&traces.report(&base_id.unwrap()).unwrap())), KNOWN);
    }
}
