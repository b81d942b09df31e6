# FerretDB: a server that speaks MongoDB's protocol and stores in SQLite, with a user and TLS. It is
# built from its Go module, since there is no package of a mongod. And the existing Python library.

version=v1.24.0
ferretdb=$cache/ferretdb-$version-one-step/ferretdb
# pymongo 4 lacks the method by which the library notes failed traces.

install() {
    [ -x "$ferretdb" ] || build_go "github.com/FerretDB/FerretDB@$version" ./cmd/ferretdb "$ferretdb" prepare
    make_venv mongodb "osprofiler==4.4.0 pymongo==3.13.0"
}

prepare() {
    # It says that authentication is done one message late; the Rust client, and a MongoDB, want it in
    # time.
    sed -i 's|"done", valid, // .*|"done", conv.Valid(),|' internal/handler/msg_saslcontinue.go
    # It does not start without.
    echo "$version" >build/version/version.txt
}

start() {
    local port tls_port
    port=$(port mongodb)
    tls_port=$(port tls)
    mkdir -p "$state/data"
    make_certificates
    launch mongodb "$ferretdb" --handler sqlite --sqlite-url "file:$state/data/" \
        --state-dir "$state" --telemetry disable --debug-addr - --log-level WARN \
        --listen-addr "127.0.0.1:$port" --listen-tls "127.0.0.1:$tls_port" \
        --listen-tls-cert-file "$state/server.pem" --listen-tls-key-file "$state/server.key" \
        --test-enable-new-auth \
        --setup-database admin --setup-username nova --setup-password hush
    wait_for 20 "$ferretdb" ping --listen-addr "127.0.0.1:$port"
    tell_url mongodb "mongodb://nova:hush@127.0.0.1:$port/"
    tell_url tls "mongodb://nova:hush@127.0.0.1:$tls_port/?tls=true&ca=$state/ca.pem"
    tell_url python "$cache/mongodb-python/bin/python"
}
