# Debian's Redis, one process: without a password, with one (user `nova`), over TLS, and on a Unix
# socket; and the existing Python library, with the newest client that it was tried with.

install() {
    need redis-server redis-server
    make_venv redis "osprofiler==4.4.0 redis==8.1.0"
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
    tell_url python "$cache/redis-python/bin/python"
}
