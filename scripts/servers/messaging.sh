# Debian's RabbitMQ: one node with a virtual host for each use, and TLS; and the existing Python
# library with oslo.messaging at the other end.

python=$cache/messaging-python
packages="osprofiler==4.4.0 oslo.messaging==18.3.1"
# Each has a queue `profiler.info` of its own.
vhosts="suite outage library free ceilometer bench"

install() {
    need rabbitmq-server rabbitmq-server
    need openssl openssl
    [ "$(cat "$python/packages" 2>/dev/null)" = "$packages" ] || install_python
}

install_python() {
    need python3 python3-venv
    rm -rf "$python"
    python3 -m venv "$python"
    # shellcheck disable=SC2086
    "$python/bin/pip" install --quiet --disable-pip-version-check $packages
    echo "$packages" >"$python/packages"
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
    tell_url python "$python/bin/python"
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

# An authority of our own, and what it says of the server and of a client.
make_certificates() {
    [ ! -s "$state/client.pem" ] || return 0
    (
        cd "$state"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
            -subj /CN=osprofiler-test-ca -keyout ca.key -out ca.pem
        for name in server client; do
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
                -subj "/CN=$name" -keyout $name.key -out $name.csr
            openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 \
                -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1') -out $name.pem
        done
    ) 2>"$state/openssl.log"
}
