//! Commands to a real Redis.

mod common;

use osprofiler::instrument::Kind;
use osprofiler::instrument::redis::TraceRedis;
use redis::{AsyncCommands, Commands, pipe};

use crate::common::{recorded, services};

/// Another database than the driver's tests have.
fn client() -> Option<redis::Client> {
    let url = services::url("redis", "redis")?;
    Some(redis::Client::open(url.strip_suffix('0').unwrap().to_owned() + "5").unwrap())
}

const TREE: &str = r#"request
  redis {"redis":{"command":"SET","keys":["greeting"]}}
  redis {"redis":{"command":"LPUSH","keys":["greeting"]}} -> {"etype":"redis::errors::redis_error::RedisError","message":"\"WRONGTYPE\": Operation against a key holding the wrong kind of value"}
  redis {"redis":{"command":"MULTI DEL INCRBY GET EXEC","keys":["count","count","greeting"],"count":5}}
"#;

#[test]
fn a_command_is_a_point_and_so_is_a_pipeline() {
    let Some(client) = client() else { return };
    let tree = recorded(false, async || {
        let mut connection = client.get_multiplexed_async_connection().await.unwrap().traced();
        let _: () = connection.set("greeting", "hush").await.unwrap();
        connection.lpush::<_, _, ()>("greeting", "hush").await.unwrap_err();
        let both: (i64, String) = pipe()
            .atomic()
            .del("count")
            .ignore()
            .incr("count", 2)
            .get("greeting")
            .query_async(&mut connection)
            .await
            .unwrap();
        assert_eq!(both, (2, "hush".to_owned()));
        Kind::Driver.switch(false);
        let _: () = connection.set("greeting", "hush").await.unwrap();
        Kind::Driver.switch(true);
    });
    assert_eq!(tree, TREE);
}

#[test]
fn a_synchronous_connection_records_the_same() {
    let Some(client) = client() else { return };
    let tree = recorded(false, async || {
        let mut connection = client.get_connection().unwrap().traced();
        let _: () = connection.set("greeting", "hush").unwrap();
        connection.lpush::<_, _, ()>("greeting", "hush").unwrap_err();
        let both: (i64, String) = pipe()
            .atomic()
            .del("count")
            .ignore()
            .incr("count", 2)
            .get("greeting")
            .query(&mut connection)
            .unwrap();
        assert_eq!(both, (2, "hush".to_owned()));
    });
    assert_eq!(tree, TREE);
}
