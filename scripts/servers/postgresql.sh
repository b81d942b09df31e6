# Debian's PostgreSQL, with TLS, and the existing Python library with the newest clients that its
# driver works with: SQLAlchemy 2 raises in `list` and `show`, and stores nothing.

# PostgreSQL refuses to be root.
as_server=()
[ "$(id -u)" != 0 ] || as_server=(setpriv --reuid=postgres --regid=postgres --init-groups)

python=$cache/postgresql-python
packages="osprofiler==4.4.0 SQLAlchemy==1.4.54 psycopg2-binary==2.9.13"

install() {
    programs >/dev/null || need postgres postgresql
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

# The folder of the newest PostgreSQL there is; Debian keeps its programs off the path.
programs() {
    local folder
    folder=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
    [ -x "$folder/postgres" ] && echo "$folder"
}

start() {
    local bin port data=$state/data
    bin=$(programs)
    port=$(port postgresql)
    make_certificate
    if [ ! -s "$data/PG_VERSION" ]; then
        mkdir -p "$data"
        open_for_server
        "${as_server[@]}" "$bin/initdb" --pgdata="$data" --username=admin --auth-local=trust \
            --auth-host=md5 --encoding=UTF8 --locale=C >"$state/install.log" 2>&1
    fi
    open_for_server
    launch postgresql "${as_server[@]}" "$bin/postgres" -D "$data" -p "$port" \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories="$data" -c shared_buffers=128MB \
        -c ssl=on -c ssl_cert_file="$state/tls/server.pem" -c ssl_key_file="$state/tls/server.key"
    wait_for 30 sql 'SELECT 1'
    # SCRAM, PostgreSQL's default, costs a client that is not optimized a second.
    has ROLE pg_roles nova ||
        sql "SET password_encryption = 'md5'; CREATE ROLE nova LOGIN CREATEDB PASSWORD 'hush'"
    has ROLE pg_roles reader || sql "CREATE ROLE reader LOGIN PASSWORD 'hush'"
    has DATABASE pg_database osprofiler || sql "CREATE DATABASE osprofiler OWNER nova"
    sql "GRANT pg_read_all_data TO reader"
    tell_url postgresql "postgresql://nova:hush@127.0.0.1:$port/osprofiler"
    tell_url tls "postgres://nova:hush@127.0.0.1:$port/osprofiler?ca=$state/tls/ca.pem"
    tell_url python "$python/bin/python"
}

# Asked the usual way, the server waits for its clients to leave.
stop() {
    local pid
    if is_running; then
        pid=$(cat "$state/pid.postgresql")
        kill -INT "$pid"
        wait_for 10 has_ended "$pid"
    fi
    rm -f "$state"/pid.* "$state"/url.*
}

has_ended() { ! kill -0 "$1"; }

sql() { psql --no-psqlrc --quiet --host="$state/data" --port="$(port postgresql)" --username=admin --dbname=postgres --tuples-only --command="$1"; }

# has KIND CATALOG NAME: whether there is such a role or database.
has() {
    local column
    column=$([ "$1" = ROLE ] && echo rolname || echo datname)
    [ -n "$(sql "SELECT 1 FROM $2 WHERE $column = '$3'")" ]
}

# An authority of our own, and what it says of the server.
make_certificate() {
    [ ! -s "$state/tls/server.pem" ] || return 0
    mkdir -p "$state/tls"
    (
        cd "$state/tls"
        openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=osprofiler-test-ca \
            -keyout ca.key -out ca.pem
        openssl req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 \
            -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1') -out server.pem
        chmod 600 server.key
    ) 2>"$state/openssl.log"
}

# Lets a user of the system into its folders.
open_for_server() {
    [ "$(id -u)" = 0 ] || return 0
    local folder=$state
    chown -R postgres "$state/tls" "$state/data"
    chmod 700 "$state/data"
    while [ "$folder" != / ]; do
        chmod o+x "$folder"
        folder=$(dirname "$folder")
    done
}
