"""ClickHouse's HTTP interface, as far as a driver needs it, in front of the engine as a library (chDB).

    clickhouse_http.py PORT FOLDER

Statements, formats, tables and errors are the engine's. Ours are: the users (`default` without a
password, `nova` with `hush`), the parameters of a URL, taking compressed blocks apart, and the statuses
of errors. One statement runs at a time.
"""

import base64
import http.server
import os
import re
import signal
import struct
import sys
import threading
import urllib.parse

import zstandard
from chdb.state import sqlitelike

PASSWORDS = {"default": "", "nova": "hush"}
# Parameters of the interface; all others are settings.
OWN_PARAMETERS = {
    "buffer_size",
    "database",
    "decompress",
    "password",
    "query",
    "user",
    "wait_end_of_query",
}


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__(f"Code: {code}. DB::Exception: {text}")


class Engine:
    def __init__(self, folder):
        self.connection = sqlitelike.connect(folder)
        self.lock = threading.Lock()

    def run(self, database, settings, statement, data):
        with self.lock:
            self.connection.query(f"USE `{database}`")
            try:
                for name, value in settings.items():
                    self.connection.query(f"SET {name} = '{value}'")
                return self.run_one(statement, data)
            finally:
                for name in settings:
                    self.connection.query(f"SET {name} = DEFAULT")

    def run_one(self, statement, data):
        insert = re.fullmatch(r"(INSERT INTO .*?)\s+FORMAT\s+(\w+)\s*", statement, re.S)
        if insert is None:
            sql = statement + data.decode()
            return self.connection.query(sql, "TabSeparated").bytes()
        with self.connection.send_insert(insert[1], insert[2]) as rows:
            rows.append(data)
            rows.finish()
        return b""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        self.answer(200, b"Ok.\n")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urllib.parse.urlsplit(self.path)
        parameters = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        try:
            self.check_password(parameters)
            if parameters.get("decompress") == "1":
                body = decompress(body)
            settings = {k: v for k, v in parameters.items() if k not in OWN_PARAMETERS}
            result = self.server.engine.run(
                parameters.get("database", "default"), settings, parameters.get("query", ""), body
            )
        except Exception as error:
            self.refuse(str(error))
        else:
            self.answer(200, result)

    def check_password(self, parameters):
        user, password = parameters.get("user", "default"), parameters.get("password", "")
        scheme, _, credentials = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            user, _, password = base64.b64decode(credentials).decode().partition(":")
        if PASSWORDS.get(user or "default") != password:
            text = "password is incorrect, or there is no user with such name"
            raise Refused(516, f"{user}: Authentication failed: {text}. (AUTHENTICATION_FAILED)")

    def refuse(self, text):
        text = text[max(text.find("Code: "), 0) :]
        found = re.match(r"Code: (\d+)", text)
        code = int(found[1]) if found else 0
        status = {60: 404, 81: 404, 516: 403}.get(code, 500)
        self.answer(status, text.encode() + b"\n")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def decompress(data):
    """Blocks of a checksum, a method, both lengths and a frame; only of the method we use."""
    blocks = []
    while data:
        method, compressed_len, len_ = struct.unpack_from("<xxxxxxxxxxxxxxxxBII", data)
        if method != 0x90:
            raise Refused(89, f"Unknown compression method: {method}. (UNKNOWN_COMPRESSION_METHOD)")
        frame = data[25 : 16 + compressed_len]
        blocks.append(zstandard.ZstdDecompressor().decompress(frame, max_output_size=len_))
        data = data[16 + compressed_len :]
    return b"".join(blocks)


def main():
    port, folder = int(sys.argv[1]), sys.argv[2]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.engine = Engine(folder)

    def stop(*_):
        # What was acknowledged is stored.
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    server.serve_forever()


main()
