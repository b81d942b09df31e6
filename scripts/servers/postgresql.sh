# Debian's PostgreSQL, with TLS, and the existing Python library with the newest clients that its
# driver works with: SQLAlchemy 2 raises in `list` and `show`, and stores nothing.

# PostgreSQL refuses to be root.
as_server=()
[ "$(id -u)" != 0 ] || as_server=(setpriv --reuid=postgres --regid=postgres --init-groups)

install() {
    programs >/dev/null || need postgres postgresql
    make_venv postgresql "osprofiler==4.4.0 SQLAlchemy==1.4.54 psycopg2-binary==2.9.13"
}

# The folder of the newest PostgreSQL there is; Debian keeps its programs off the path.
programs() {
    local folder
    folder=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
    [ -x "$folder/postgres" ] && echo "$folder"
}

start() {
    local bin port
    bin=$(programs)
    port=$(port postgresql)
    data=$(data_folder)
    make_certificates
    if [ ! -s "$data/PG_VERSION" ]; then
        "${as_server[@]}" "$bin/initdb" --pgdata="$data" --username=admin --auth-local=trust \
            --auth-host=md5 --encoding=UTF8 --locale=C >"$state/install.log" 2>&1
    fi
    # It takes a key that is its own, and nobody else's.
    local copy='umask 077; cat >"$0"'
    "${as_server[@]}" sh -c "$copy" "$data/server.crt" <"$state/server.pem"
    "${as_server[@]}" sh -c "$copy" "$data/server.key" <"$state/server.key"
    launch postgresql "${as_server[@]}" "$bin/postgres" -D "$data" -p "$port" \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories="$data" -c shared_buffers=128MB -c ssl=on
    wait_for 30 sql 'SELECT 1'
    # SCRAM, PostgreSQL's default, costs a client that is not optimized a second.
    has ROLE pg_roles nova ||
        sql "SET password_encryption = 'md5'; CREATE ROLE nova LOGIN CREATEDB PASSWORD 'hush'"
    has ROLE pg_roles reader || sql "CREATE ROLE reader LOGIN PASSWORD 'hush'"
    has DATABASE pg_database osprofiler || sql "CREATE DATABASE osprofiler OWNER nova"
    sql "GRANT pg_read_all_data TO reader"
    tell_url postgresql "postgresql://nova:hush@127.0.0.1:$port/osprofiler"
    tell_url tls "postgres://nova:hush@127.0.0.1:$port/osprofiler?ca=$state/ca.pem"
    tell_url python "$cache/postgresql-python/bin/python"
}

# Where the data is: a user of the system cannot enter the folders of root, and has one elsewhere.
data_folder() {
    local folder=$state/data
    if [ "$(id -u)" = 0 ]; then
        folder=$(cat "$state/data-folder" 2>/dev/null) || true
        [ -d "$folder" ] || folder=$(mktemp -d -t osprofiler-postgresql.XXXXXX)
        chown postgres "$folder"
        echo "$folder" >"$state/data-folder"
    fi
    mkdir -p -m 700 "$folder"
    echo "$folder"
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

remove() { rm -rf "$(cat "$state/data-folder" 2>/dev/null || echo "$state/data")" "$state"; }

has_ended() { ! kill -0 "$1"; }

sql() { psql --no-psqlrc --quiet --host="$data" --port="$(port postgresql)" --username=admin --dbname=postgres --tuples-only --command="$1"; }

# has KIND CATALOG NAME: whether there is such a role or database.
has() {
    local column
    column=$([ "$1" = ROLE ] && echo rolname || echo datname)
    [ -n "$(sql "SELECT 1 FROM $2 WHERE $column = '$3'")" ]
}
