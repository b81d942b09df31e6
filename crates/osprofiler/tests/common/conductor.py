"""A service of oslo.messaging with the existing osprofiler, as OpenStack's are.

    conductor.py TRANSPORT_URL

Serves topic `conductor` of exchange `shop` until its standard input ends; prints `ready`, and each record as
a line of JSON. Its method `build` calls `count` of topic `stock` in turn.
"""

import json
import sys

import oslo_messaging
from oslo_config import cfg
from osprofiler import notifier, profiler


class Serializer(oslo_messaging.NoOpSerializer):
    """Carries the trace in the context, as the serializers of nova and neutron do."""

    def serialize_context(self, context):
        context = dict(context)
        current = profiler.get()
        if current:
            context["trace_info"] = {
                "hmac_key": current.hmac_key,
                "base_id": current.get_base_id(),
                "parent_id": current.get_id(),
            }
        return context

    def deserialize_context(self, context):
        context = dict(context)
        trace_info = context.pop("trace_info", None)
        if trace_info:
            profiler.clean()
            profiler.init(**trace_info)
        return context


class Conductor:
    target = oslo_messaging.Target(version="1.1")

    def __init__(self, transport):
        target = oslo_messaging.Target(topic="stock", exchange="shop", version="1.0")
        self.stock = oslo_messaging.get_rpc_client(
            transport, target, serializer=Serializer(), timeout=10
        )

    @profiler.trace("conductor.build")
    def build(self, context, item):
        with profiler.Trace("stock.count"):
            count = self.stock.call(context, "count", item=item)
        return {"count": count, "user": context.get("user")}

    @profiler.trace("conductor.fail")
    def fail(self, context):
        raise ValueError("no such item")

    @profiler.trace("conductor.provoke")
    def provoke(self, context, method):
        """Calls what fails, and tells how."""
        try:
            self.stock.call(context, method)
        except oslo_messaging.RemoteError as error:
            return [type(error).__name__, error.exc_type, error.value]
        except Exception as error:
            return [type(error).__name__, str(error).splitlines()[0]]


def main():
    notifier.set(lambda record, context=None: print(json.dumps(record), flush=True))
    cfg.CONF([])
    transport = oslo_messaging.get_rpc_transport(cfg.CONF, url=sys.argv[1])
    target = oslo_messaging.Target(topic="conductor", exchange="shop", server="host-1")
    server = oslo_messaging.get_rpc_server(
        transport, target, [Conductor(transport)], serializer=Serializer()
    )
    server.start()
    print("ready", flush=True)
    sys.stdin.read()
    server.stop()
    server.wait()


main()
