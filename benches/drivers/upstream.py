"""Writes records with the existing Python library, and says how long it took.

    python upstream.py URL COUNT

Each record is one of a point with an SQL statement, as services write them.
"""

import sys
import time

from oslo_config import cfg

from osprofiler import opts
from osprofiler.drivers import base


def main(url, count):
    opts.set_defaults(cfg.CONF)
    cfg.CONF([])
    arguments = {"project": "bench", "service": "upstream", "host": "host"}
    if url.startswith("rabbit://"):
        import oslo_messaging

        transport = oslo_messaging.get_notification_transport(cfg.CONF, url)
        arguments.update(messaging=oslo_messaging, context={}, transport=transport)
        url = "messaging://"
    driver = base.get_driver(url, **arguments)

    def record(at):
        return {
            "name": "db-start",
            "base_id": "%08x-0000-4000-8000-%012x" % (int(time.time()), at // 20),
            "parent_id": "%08x-0000-4000-8000-%012x" % (1, at // 20),
            "trace_id": "%08x-0000-4000-8000-%012x" % (2, at),
            "timestamp": "2026-01-02T03:04:05.000000",
            "info": {
                "host": "host",
                "db": {
                    "statement": "SELECT id, name, state FROM instances WHERE project_id = ?",
                    "params": "('%d',)" % at,
                },
            },
        }

    if url.startswith("otlp:"):
        # A span leaves when it ends, in the background.
        def record(at, start=record):
            return {**start(at // 2), "name": "db-stop" if at % 2 else "db-start"}

        from opentelemetry import trace

        flush = trace.get_tracer_provider().force_flush
    else:
        flush = lambda: None

    records = [record(at) for at in range(count)]
    # The first one pays for the connection.
    driver.notify(record(count))
    start = time.perf_counter()
    for each in records:
        driver.notify(each)
    flush()
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
