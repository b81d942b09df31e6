# Debian's Redis.

install() { need redis-server redis-server; }

start() {
    local port
    port=$(port redis)
    mkdir -p "$state/data"
    launch redis redis-server --port "$port" --bind 127.0.0.1 --dir "$state/data" --save '' --appendonly yes
    wait_for 10 redis-cli -p "$port" ping
    tell_url redis "redis://127.0.0.1:$port/0"
}
