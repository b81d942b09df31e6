"""The part of Log Insight's API that drivers of OSProfiler use: `server.py HOST FOLDER`.

Sessions (of two seconds, so that they run out in tests), ingestion with its documented limits, and
queries for events that hold a text in a field. Events are in an SQLite file in FOLDER, where the
certificate is as well.
"""

import http.server
import json
import secrets
import sqlite3
import ssl
import sys
import threading
import time
import urllib.parse

HOST, FOLDER = sys.argv[1:]
USER, PASSWORD = "nova", "hush"
SESSION_SECONDS = 2
MAX_BODY, MAX_EVENTS, MAX_TEXT, MAX_GIVEN = 4_000_000, 500, 16_384, 20_000
MAX_DRIFT_MS = 600_000

lock = threading.Lock()
sessions = {}
store = sqlite3.connect(f"{FOLDER}/events.db", check_same_thread=False)
store.execute("CREATE TABLE IF NOT EXISTS event (at INTEGER, base_id TEXT, json TEXT)")
store.execute("CREATE INDEX IF NOT EXISTS event_base_id ON event (base_id, at)")


class Refused(Exception):
    """A status, and what is wrong."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def setup(self):
        if self.server.tls:
            # Here rather than where connections are accepted: one that is slow must not keep others.
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.answer({"/api/v1/sessions": log_in}.get(self.path, ingest))

    def do_GET(self):
        self.answer(current if self.path == "/api/v1/sessions/current" else query)

    def answer(self, make):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            status, answer = 200, make(self, body)
        except Refused as refused:
            status, message = refused.args
            answer = {"errorMessage": message}
        except (ValueError, KeyError, TypeError, AttributeError):
            status, answer = 400, {"errorMessage": "Invalid input"}
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def log_in(handler, body):
    if not handler.server.tls:
        raise Refused(403, "Use HTTPS")
    given = json.loads(body)
    if (given["username"], given["password"]) != (USER, PASSWORD):
        raise Refused(401, "Invalid username or password.")
    session = secrets.token_hex(16)
    with lock:
        sessions[session] = time.monotonic() + SESSION_SECONDS
    return {"userId": "1", "sessionId": session, "ttl": SESSION_SECONDS}


def check_session(handler):
    with lock:
        until = sessions.get(handler.headers.get("x-li-session-id"))
    if until is None:
        raise Refused(401, "Invalid session ID")
    if until < time.monotonic():
        raise Refused(440, "Login timeout")


def current(handler, _):
    check_session(handler)
    return {}


def ingest(handler, body):
    if not handler.path.startswith("/api/v1/events/ingest/"):
        raise Refused(404, "Not found")
    if len(body) > MAX_BODY:
        raise Refused(413, "Too large")
    events = json.loads(body)["events"]
    if not 0 < len(events) <= MAX_EVENTS:
        raise Refused(400, "Expected 1 to 500 events")
    now = int(time.time() * 1000)
    rows = []
    for event in events:
        texts = [event.get("text", "")] + [field["content"] or "" for field in event["fields"]]
        if any(len(text.encode(errors="surrogatepass")) > MAX_TEXT for text in texts):
            raise Refused(400, "A text is larger than 16 KB")
        at = event.get("timestamp", now)
        if abs(at - now) > MAX_DRIFT_MS:
            at = now
        base_id = next(field["content"] for field in event["fields"] if field["name"] == "base_id")
        rows.append((at, base_id, json.dumps({**event, "timestamp": at})))
    with lock, store:
        store.executemany("INSERT INTO event VALUES (?, ?, ?)", rows)
    return {"status": "ok", "message": "events ingested", "ingested": len(events)}


def query(handler, _):
    check_session(handler)
    url = urllib.parse.urlparse(handler.path)
    parts = url.path.removeprefix("/api/v1/events/").split("/")
    limit = int(urllib.parse.parse_qs(url.query).get("limit", ["100"])[0])
    wanted, bounds = None, {"GT": -1, "LE": 1 << 62}
    for field, constraint in zip(parts[::2], parts[1::2]):
        operator, _, value = constraint.partition("+")
        if (field, operator) == ("base_id", "CONTAINS"):
            wanted = urllib.parse.unquote(value)
        elif field == "timestamp" and operator in bounds:
            bounds[operator] = int(value)
        else:
            raise Refused(400, f"Unknown constraint {field}/{operator}")
    with lock:
        rows = store.execute(
            "SELECT json FROM event WHERE base_id = ? AND at > ? AND at <= ?"
            " ORDER BY at DESC, rowid DESC LIMIT ?",
            (wanted, bounds["GT"], bounds["LE"], min(limit, MAX_GIVEN)),
        ).fetchall()
    return {"complete": True, "duration": 1, "events": [json.loads(row[0]) for row in rows]}


def serve(port, tls):
    server = http.server.ThreadingHTTPServer((HOST, port), Handler)
    server.tls = tls
    server.serve_forever()


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{FOLDER}/server.pem", f"{FOLDER}/server.key")
threading.Thread(target=serve, args=(9000, None), daemon=True).start()
serve(9543, context)
