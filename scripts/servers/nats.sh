# Debian's NATS server, for the example that speaks through it.

install() {
    need nats-server nats-server
    need curl curl
}

start() {
    local port monitor
    port=$(port nats)
    monitor=$(port monitor)
    launch nats nats-server --addr 127.0.0.1 --port "$port" --http_port "$monitor"
    wait_for 30 curl --silent --fail "http://127.0.0.1:$monitor/healthz"
    tell_url nats "nats://127.0.0.1:$port"
}
