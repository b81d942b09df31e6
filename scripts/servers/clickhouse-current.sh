# The ClickHouse engine of today. No registry that we use has its server, but PyPI has its engine as a
# library for Python, chDB: `clickhouse_http.py` speaks a server's HTTP interface in front of it. So
# today's SQL, formats and tables are the real ones; connections, users and decompression are ours.

python=$cache/clickhouse-python
packages="chdb-core==26.9.0 zstandard==0.25.0"

install() {
    need curl curl
    [ "$(cat "$python/packages" 2>/dev/null)" = "$packages" ] || install_python
}

install_python() {
    need python3 python3-venv
    rm -rf "$python"
    python3 -m venv "$python"
    # shellcheck disable=SC2086
    "$python/bin/pip" install --quiet --disable-pip-version-check --no-deps $packages
    echo "$packages" >"$python/packages"
}

start() {
    local port
    port=$(port http)
    launch engine "$python/bin/python" "$root/scripts/servers/clickhouse_http.py" "$port" "$state/data"
    wait_for 30 curl -sSf "http://127.0.0.1:$port/ping"
    curl -sSf "http://127.0.0.1:$port/" -d 'CREATE DATABASE IF NOT EXISTS traces'
    tell_url clickhouse "clickhouse://127.0.0.1:$port/traces"
    tell_url password "clickhouse://nova:hush@127.0.0.1:$port/traces"
}
