# Debian's MariaDB, with TLS, and the existing Python library with the newest clients that its driver
# works with: SQLAlchemy 2 raises in `list` and `show`, and stores nothing.

install() {
    need mariadbd mariadb-server
    make_venv mariadb "osprofiler==4.4.0 SQLAlchemy==1.4.54 PyMySQL==1.2.4"
}

start() {
    local port user
    port=$(port mariadb)
    # Root as well, if it is told so.
    user=$(id -un)
    make_certificates
    if [ ! -d "$state/data/mysql" ]; then
        mariadb-install-db --no-defaults --datadir="$state/data" --user="$user" \
            --auth-root-authentication-method=normal --skip-test-db >"$state/install.log" 2>&1
    fi
    launch mariadb "$(PATH=$PATH:/usr/sbin command -v mariadbd)" --no-defaults --user="$user" \
        --datadir="$state/data" --socket="$state/data/mariadb.sock" --pid-file="$state/data/mariadb.pid" \
        --bind-address=127.0.0.1 --port="$port" --innodb-buffer-pool-size=256M --skip-name-resolve \
        --ssl-cert="$state/server.pem" --ssl-key="$state/server.key" --ssl-ca="$state/ca.pem"
    wait_for 30 sql 'SELECT 1'
    sql "CREATE DATABASE IF NOT EXISTS osprofiler;
         CREATE DATABASE IF NOT EXISTS forbidden;
         CREATE USER IF NOT EXISTS nova@'%' IDENTIFIED BY 'hush';
         CREATE USER IF NOT EXISTS reader@'%' IDENTIFIED BY 'hush';
         GRANT ALL ON \`osprofiler%\`.* TO nova@'%';
         GRANT SELECT ON \`osprofiler%\`.* TO reader@'%'"
    tell_url mariadb "mysql+pymysql://nova:hush@127.0.0.1:$port/osprofiler"
    tell_url tls "mariadb://nova:hush@127.0.0.1:$port/osprofiler?ca=$state/ca.pem"
    tell_url python "$cache/mariadb-python/bin/python"
}

sql() { mariadb --no-defaults --socket="$state/data/mariadb.sock" --user=root --execute="$1"; }
