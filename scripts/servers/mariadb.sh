# Debian's MariaDB, with TLS, and the existing Python library with the newest clients that its driver
# works with: SQLAlchemy 2 raises in `list` and `show`, and stores nothing.

python=$cache/mariadb-python
packages="osprofiler==4.4.0 SQLAlchemy==1.4.54 PyMySQL==1.2.4"

install() {
    need mariadbd mariadb-server
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
    local port user
    port=$(port mariadb)
    # Root as well, if it is told so.
    user=$(id -un)
    make_certificate
    if [ ! -d "$state/data/mysql" ]; then
        mariadb-install-db --no-defaults --datadir="$state/data" --user="$user" \
            --auth-root-authentication-method=normal --skip-test-db >"$state/install.log" 2>&1
    fi
    launch mariadb "$(PATH=$PATH:/usr/sbin command -v mariadbd)" --no-defaults --user="$user" \
        --datadir="$state/data" --socket="$state/data/mariadb.sock" --pid-file="$state/data/mariadb.pid" \
        --bind-address=127.0.0.1 --port="$port" --innodb-buffer-pool-size=256M --skip-name-resolve \
        --ssl-cert="$state/tls/server.pem" --ssl-key="$state/tls/server.key" --ssl-ca="$state/tls/ca.pem"
    wait_for 30 sql 'SELECT 1'
    sql "CREATE DATABASE IF NOT EXISTS osprofiler;
         CREATE DATABASE IF NOT EXISTS forbidden;
         CREATE USER IF NOT EXISTS nova@'%' IDENTIFIED BY 'hush';
         CREATE USER IF NOT EXISTS reader@'%' IDENTIFIED BY 'hush';
         GRANT ALL ON \`osprofiler%\`.* TO nova@'%';
         GRANT SELECT ON \`osprofiler%\`.* TO reader@'%'"
    tell_url mariadb "mysql+pymysql://nova:hush@127.0.0.1:$port/osprofiler"
    tell_url tls "mariadb://nova:hush@127.0.0.1:$port/osprofiler?ca=$state/tls/ca.pem"
    tell_url python "$python/bin/python"
}

sql() { mariadb --no-defaults --socket="$state/data/mariadb.sock" --user=root --execute="$1"; }

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
    ) 2>"$state/openssl.log"
}
