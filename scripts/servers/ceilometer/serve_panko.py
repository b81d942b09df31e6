"""Panko's API, behind Keystone, over HTTP and HTTPS; and a way for events to get into it.

Ceilometer's own way, its publisher for Panko, cannot share a Python with today's Ceilometer. So
what its `http` publisher posts to /ingest goes into Panko's tables here, a list at a time.
"""

import json
import os
import socketserver
import ssl
import sys
import threading
from wsgiref import simple_server

from keystonemiddleware import auth_token
from oslo_utils import timeutils
from panko import service
from panko.api import app as api
from panko.storage import models as api_models
from panko.storage.sqlalchemy import models
from paste import urlmap
import sqlalchemy
from sqlalchemy import func, select
import waitress


def main(state, http_port, https_port):
    conf = service.prepare_service(["panko-api", "--config-file", f"{state}/panko.conf"])
    v2 = api.setup_app("panko.api.controllers.v2.root.V2Controller", conf)
    panko = urlmap.URLMap()
    panko["/"] = api.setup_app("panko.api.controllers.root.VersionsController", conf)
    panko["/v2"] = auth_token.AuthProtocol(v2, {"oslo_config_config": conf})
    app = Application(panko, Tables(sqlalchemy.create_engine(conf.database.connection)))
    threading.Thread(target=serve_tls, args=(app, state, https_port), daemon=True).start()
    waitress.serve(app, host="127.0.0.1", port=http_port, threads=4)


class Application:
    def __init__(self, panko, tables):
        self.panko = panko
        self.tables = tables

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] != "/ingest":
            return self.panko(environ, start_response)
        if environ["REQUEST_METHOD"] == "DELETE":
            self.tables.clear()
        else:
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            self.tables.add(json.loads(body))
        start_response("202 Accepted", [("Content-Length", "0")])
        return []


class Tables:
    """Where Panko has its events. Nobody else writes there."""

    TRAITS = {
        api_models.Trait.TEXT_TYPE: models.TraitText,
        api_models.Trait.INT_TYPE: models.TraitInt,
        api_models.Trait.FLOAT_TYPE: models.TraitFloat,
        api_models.Trait.DATETIME_TYPE: models.TraitDatetime,
    }

    def __init__(self, engine):
        models.Base.metadata.create_all(engine)
        self.engine = engine
        self.lock = threading.Lock()
        with engine.begin() as db:
            self.next_id = (db.scalar(select([func.max(models.Event.id)])) or 0) + 1
            self.kinds = dict(db.execute(select([models.EventType.desc, models.EventType.id])).fetchall())

    def add(self, found):
        with self.lock, self.engine.begin() as db:
            ids = range(self.next_id, self.next_id + len(found))
            events = [{"id": id, **self.event(db, event)} for id, event in zip(ids, found)]
            rows = {}
            for id, event in zip(ids, found):
                for name, kind, value in event["traits"]:
                    value = api_models.Trait.convert_value(kind, value)
                    rows.setdefault(kind, []).append({"event_id": id, "key": name, "value": value})
            db.execute(models.Event.__table__.insert(), events)
            for kind, values in rows.items():
                db.execute(self.TRAITS[kind].__table__.insert(), values)
            self.next_id = ids.stop

    def clear(self):
        with self.lock, self.engine.begin() as db:
            for model in (*self.TRAITS.values(), models.Event):
                db.execute(model.__table__.delete())

    def event(self, db, found):
        kind = found["event_type"]
        if kind not in self.kinds:
            done = db.execute(models.EventType.__table__.insert(), {"desc": kind})
            self.kinds[kind] = done.inserted_primary_key[0]
        return {
            "message_id": found["message_id"],
            "event_type_id": self.kinds[kind],
            "generated": timeutils.normalize_time(timeutils.parse_isotime(found["generated"])),
            "raw": found["raw"],
        }


class TlsServer(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True


def serve_tls(app, state, port):
    server = simple_server.make_server("127.0.0.1", port, app, server_class=TlsServer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{state}/server.pem", f"{state}/server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
