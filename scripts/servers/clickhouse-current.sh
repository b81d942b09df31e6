# The ClickHouse engine of today. No registry that we use has its server, but PyPI has its engine as a
# library for Python, chDB: `clickhouse_http.py` speaks a server's HTTP interface in front of it. So
# today's SQL, formats and tables are the real ones; connections, users and decompression are ours.

install() {
    need curl curl
    make_venv clickhouse "--no-deps chdb-core==26.9.0 zstandard==0.25.0"
}

start() {
    local port
    port=$(port http)
    launch engine "$cache/clickhouse-python/bin/python" "$root/scripts/servers/clickhouse_http.py" "$port" "$state/data"
    wait_for 30 curl -sSf "http://127.0.0.1:$port/ping"
    curl -sSf "http://127.0.0.1:$port/" -d 'CREATE DATABASE IF NOT EXISTS traces'
    tell_url clickhouse "clickhouse://127.0.0.1:$port/traces"
    tell_url password "clickhouse://nova:hush@127.0.0.1:$port/traces"
}
