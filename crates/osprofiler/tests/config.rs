//! Options from the environment, which belongs to a whole process: the test runs itself.

use std::env;
use std::process::Command;

use osprofiler::{Config, HmacKeys};

/// What a process with these variables reads on top of an INI file.
fn read_with(variables: &[(&str, &str)]) -> String {
    let output = Command::new(env::current_exe().unwrap())
        .args(["options_come_from_the_environment", "--exact", "--nocapture"])
        .env("READ_CONFIG", "1")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let answer = said.lines().find_map(|line| line.split_once("config: "));
    answer.unwrap_or_else(|| panic!("{said}")).1.to_owned()
}

#[expect(clippy::print_stdout, reason = "the answer of the process")]
fn answer() {
    let mut config = Config::default();
    config.merge_ini("[profiler]\nenabled = yes\nhmac_keys = from-the-file\n").unwrap();
    match config.merge_env() {
        Ok(()) => println!(
            "config: {} {} {} {:?}",
            config.enabled,
            config.trace_sqlalchemy,
            config.hmac_keys == HmacKeys::parse("a,b"),
            config.connection_string
        ),
        Err(error) => println!("config: {error}"),
    }
}

#[test]
fn options_come_from_the_environment() {
    if env::var_os("READ_CONFIG").is_some() {
        return answer();
    }
    assert_eq!(read_with(&[]), "true false false None");
    let all = [
        ("OSPROFILER_ENABLED", "off"),
        ("OSPROFILER_TRACE_SQL", "1"),
        ("OSPROFILER_HMAC_KEYS", "a, b"),
        ("OSPROFILER_CONNECTION_STRING", "redis://:hush@h"),
    ];
    assert_eq!(read_with(&all), "false true true Some(ConnectionString(redis://:***@h))");
    // Of two names of an option the proper one wins.
    let both = [("OSPROFILER_PROFILER_ENABLED", "no"), ("OSPROFILER_ENABLED", "yes")];
    assert!(read_with(&both).starts_with("true "));
    assert_eq!(
        read_with(&[("OSPROFILER_ENABLED", "perhaps")]),
        "option `OSPROFILER_ENABLED` is `perhaps`, expected `true`, `yes`, `on`, `1` or `false`, \
         `no`, `off`, `0`"
    );
}
