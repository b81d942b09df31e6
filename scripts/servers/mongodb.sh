# FerretDB: a server that speaks MongoDB's protocol and stores in SQLite, with a user and TLS. It is
# built from its Go module, since there is no package of a mongod. And the existing Python library.

version=v1.24.0
ferretdb=$cache/ferretdb-$version-one-step/ferretdb
python=$cache/mongodb-python
# pymongo 4 lacks the method by which the library notes failed traces.
packages="osprofiler==4.4.0 pymongo==3.13.0"

install() {
    need openssl openssl
    [ -x "$ferretdb" ] || build
    [ "$(cat "$python/packages" 2>/dev/null)" = "$packages" ] || install_python
}

build() {
    local sources built
    command -v go >/dev/null || fail "please install Go 1.22 or later"
    # Others may be building it as well: the last one wins.
    built=$(mktemp -d "$cache/ferretdb.XXXXXX")
    sources=$(cd "$built" && go mod download -json "github.com/FerretDB/FerretDB@$version" |
        sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    cp -r "$sources" "$built/sources"
    chmod -R u+w "$built/sources"
    # It says that authentication is done one message late; the Rust client, and a MongoDB, want it in
    # time.
    sed -i 's|"done", valid, // .*|"done", conv.Valid(),|' "$built/sources/internal/handler/msg_saslcontinue.go"
    # It does not start without.
    echo "$version" >"$built/sources/build/version/version.txt"
    (cd "$built/sources" && go build -trimpath -o "$built/ferretdb" ./cmd/ferretdb)
    mkdir -p "$(dirname "$ferretdb")"
    mv "$built/ferretdb" "$ferretdb"
    rm -rf "$built"
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
    tell_url python "$python/bin/python"
}

# An authority of our own, and what it says of the server.
make_certificates() {
    [ ! -s "$state/server.pem" ] || return 0
    (
        cd "$state"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
            -subj /CN=osprofiler-test-ca -keyout ca.key -out ca.pem
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
            -subj /CN=server -keyout server.key -out server.csr
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 \
            -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1') -out server.pem
    ) 2>"$state/openssl.log"
}
