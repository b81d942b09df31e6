"""The existing Python library as the other end: `upstream.py COMMAND CONNECTION [ARGUMENT...]`.

put FILE...     stores the records of files of JSON lines, as services do
trace BASE_ID [LOAD]  traces a request, as a service does
show BASE_ID... prints the reports of traces
list            prints the traces, and those in which a point failed

DRIVER_OPTIONS in the environment are what a driver is told besides, as a dictionary in JSON.
"""

import json
import os
import sys

# In this order: the driver needs options that only this module registers.
from osprofiler import opts
from oslo_config import cfg
from osprofiler import notifier, profiler
from osprofiler.drivers import base

command, connection, *arguments = sys.argv[1:]
options = json.loads(os.environ.get("DRIVER_OPTIONS", "{}"))
opts.set_defaults(cfg.CONF)
cfg.CONF.set_override("filter_error_trace", True, group="profiler")


def put(*paths):
    driver = base.get_driver(connection, conf=cfg.CONF, **options)
    for path in paths:
        with open(path) as lines:
            for line in lines:
                record = json.loads(line)
                driver.project, driver.service = record.pop("project"), record.pop("service")
                driver.notify(record)


def trace(base_id, load="nan"):
    made = notifier.create(connection, project="nova", service="api", conf=cfg.CONF, **options)
    notifier.set(made)
    profiler.init("SECRET_KEY", base_id=base_id)
    request = {"path": "/v2.1/servers", "query": "", "method": "POST", "scheme": "http"}
    with profiler.Trace("wsgi", info={"request": request}):
        with profiler.Trace("db", info={"db": {"statement": "SELECT 'é密🔑'", "params": "{}"}}):
            pass
        try:
            with profiler.Trace("rpc", info={"load": float(load)}):
                raise KeyError("x")
        except KeyError:
            pass


def show(*base_ids):
    # A driver can make one report only.
    print(json.dumps([base.get_driver(connection, **options).get_report(base_id) for base_id in base_ids]))


def list_traces():
    driver = base.get_driver(connection, **options)
    try:
        failed = driver.list_error_traces()
    except NotImplementedError:
        failed = None
    print(json.dumps({"all": driver.list_traces(), "failed": failed}))


{"put": put, "trace": trace, "show": show, "list": list_traces}[command](*arguments)
