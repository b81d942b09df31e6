//! `osprofiler ui` as users call it: where it says it is, what it answers, how it ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

struct Ui {
    process: Child,
    /// What it says first.
    said: String,
    _home: TempDir,
}

impl Ui {
    fn start(args: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_osprofiler"))
            .args(["ui", "--listen", "127.0.0.1:0"])
            .args(args)
            .env_clear()
            .env("XDG_DATA_HOME", home.path())
            .env("OSPROFILER_UI_TOKEN", "from-the-environment")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(process.stderr.take().unwrap()).read_line(&mut said).unwrap();
        Self { process, said, _home: home }
    }

    fn get(&self, path: &str, token: &str) -> String {
        let address = self.said.strip_prefix("http://").unwrap().split('/').next().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Ui {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn it_says_where_it_is_answers_and_ends_when_it_is_interrupted() {
    let mut ui = Ui::start(&["--token", "correct-horse-battery"]);
    assert!(ui.said.ends_with("/?token=correct-horse-battery  (Ctrl-C ends it)\n"), "{}", ui.said);
    let answer = ui.get("/api/v1/traces", "correct-horse-battery");
    assert!(answer.ends_with(r#"{"traces":[],"next":null,"skipped":0}"#), "{answer}");
    assert!(ui.get("/api/v1/traces", "from-the-environment").starts_with("HTTP/1.1 401"));
    let pid = ui.process.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert!(ui.process.wait().unwrap().success());
}

#[test]
fn the_token_may_come_from_the_environment() {
    let ui = Ui::start(&[]);
    assert!(ui.get("/api/v1/about", "from-the-environment").starts_with("HTTP/1.1 200"));
}

#[test]
fn what_cannot_be_served_is_said_in_one_line() {
    for (args, said) in [
        (&["--connection-string", "otlp://h"][..], "osprofiler: `otlp` only writes"),
        (&["--token", "hush"], "invalid value for '--token <TOKEN>': expected at least 12"),
        (&["--listen", "203.0.113.1:1"], "osprofiler: cannot listen on `203.0.113.1:1`"),
    ] {
        let mut args = [&["ui"][..], args].concat();
        if !args.contains(&"--listen") {
            args.extend(["--listen", "127.0.0.1:0"]);
        }
        let output = Command::new(env!("CARGO_BIN_EXE_osprofiler")).args(&args).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains(said), "{told}");
        assert!(told.lines().count() == 1 && !told.contains("hush"), "{told}");
    }
}
