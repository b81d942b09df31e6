# Debian's RabbitMQ: one node with a virtual host for each use, and TLS; and the existing Python
# library with oslo.messaging at the other end.

# Each has queues of its own: `profiler.info`, and those of services under test.
vhosts="suite outage library free ceilometer bench rpc shop"

install() {
    need rabbitmq-server rabbitmq-server
    make_venv messaging "osprofiler==4.4.0 oslo.messaging==18.3.1"
}

start() {
    local amqp tls
    amqp=$(port amqp)
    tls=$(port tls)
    make_certificates
    configure "$amqp" "$tls"
    # Nothing of the machine's own RabbitMQ, whose mapper of names would be met on the usual port.
    export HOME=$state ERL_EPMD_PORT ERL_EPMD_ADDRESS=127.0.0.1
    ERL_EPMD_PORT=$(port epmd)
    launch epmd epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1
    export RABBITMQ_NODENAME=osprofiler@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1
    RABBITMQ_DIST_PORT=$(port dist) \
        RABBITMQ_CONFIG_FILE=$state/rabbitmq RABBITMQ_ENABLED_PLUGINS_FILE=$state/plugins \
        RABBITMQ_MNESIA_BASE=$state/data RABBITMQ_LOG_BASE=$state/log RABBITMQ_LOGS=- \
        RABBITMQ_PID_FILE=$state/rabbitmq.pid RABBITMQ_CONF_ENV_FILE=/dev/null \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='+sbwt none +A 16 -kernel inet_dist_use_interface {127,0,0,1}' \
        launch rabbitmq /usr/lib/rabbitmq/bin/rabbitmq-server
    wait_for 60 answers "$amqp"
    local vhost
    for vhost in $vhosts; do
        tell_url "$vhost" "rabbit://openstack:hush@127.0.0.1:$amqp/$vhost"
    done
    tell_url tls "rabbit://openstack:hush@localhost:$tls/free?ssl=true&ca=$state/ca.pem"
    tell_url python "$cache/messaging-python/bin/python"
}

# A server that lets one in knows its users and virtual hosts: they come before it listens.
answers() {
    python3 - "$1" <<'END'
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1) as s:
    s.settimeout(1)
    s.sendall(b"AMQP\x00\x00\x09\x01")
    sys.exit(s.recv(1) != b"\x01")
END
}

configure() {
    echo '[].' >"$state/plugins"
    cat >"$state/rabbitmq.conf" <<END
listeners.tcp.1 = 127.0.0.1:$1
listeners.ssl.1 = 127.0.0.1:$2
ssl_options.cacertfile = $state/ca.pem
ssl_options.certfile = $state/server.pem
ssl_options.keyfile = $state/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
load_definitions = $state/definitions.json
log.console.level = warning
disk_free_limit.absolute = 50MB
END
    VHOSTS=$vhosts python3 - >"$state/definitions.json" <<'END'
import json, os
vhosts = os.environ["VHOSTS"].split()
every = {"configure": ".*", "write": ".*", "read": ".*"}
print(json.dumps({
    "users": [{"name": "openstack", "password": "hush", "tags": ""}],
    "vhosts": [{"name": name} for name in vhosts],
    "permissions": [{"user": "openstack", "vhost": name, **every} for name in vhosts],
}))
END
}
