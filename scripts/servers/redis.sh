# Debian's Redis, one process: without a password, with one (user `nova`), over TLS, and on a Unix
# socket; and the existing Python library, with the newest client that it was tried with.

python=$cache/redis-python
packages="osprofiler==4.4.0 redis==8.1.0"

install() {
    need redis-server redis-server
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
    local port tls_port
    port=$(port redis)
    tls_port=$(port tls)
    mkdir -p "$state/data"
    make_certificates
    launch redis redis-server --port "$port" --bind 127.0.0.1 --dir "$state/data" \
        --save '' --appendonly yes --user nova on '>hush' '~*' '&*' +@all \
        --unixsocket "$state/redis.sock" --unixsocketperm 700 \
        --tls-port "$tls_port" --tls-auth-clients optional --tls-ca-cert-file "$state/ca.pem" \
        --tls-cert-file "$state/server.pem" --tls-key-file "$state/server.key"
    wait_for 30 redis-cli -e -p "$port" ping
    tell_url redis "redis://127.0.0.1:$port/0"
    tell_url password "redis://nova:hush@127.0.0.1:$port/0"
    tell_url tls "rediss://127.0.0.1:$tls_port/0?ca=$state/ca.pem"
    tell_url unix "redis+unix://$state/redis.sock"
    tell_url python "$python/bin/python"
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
