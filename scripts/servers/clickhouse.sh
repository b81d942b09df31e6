# Debian's ClickHouse (18.16, of 2018): plain and over TLS; user `default` without a password, user
# `nova` with one, user `looker` who may only read. `clickhouse-current.sh` has the engine of today.

install() {
    need clickhouse-server clickhouse-server
    need curl curl
}

start() {
    local port
    port=$(port http)
    mkdir -p "$state/data"
    make_certificates
    configure >"$state/config.xml"
    configure_users >"$state/users.xml"
    launch clickhouse /usr/sbin/clickhouse-server --config-file="$state/config.xml"
    wait_for 30 curl -sSf "http://127.0.0.1:$port/ping"
    curl -sSf "http://127.0.0.1:$port/" -d 'CREATE DATABASE IF NOT EXISTS traces'
    tell_url clickhouse "clickhouse://127.0.0.1:$port/traces"
    tell_url password "clickhouse://nova:hush@127.0.0.1:$port/traces"
    tell_url readonly "clickhouse://looker@127.0.0.1:$port/traces"
    tell_url tls "clickhouse+https://127.0.0.1:$(port https)/traces?ca=$state/ca.pem"
}

# Small caches: the server shares the machine with the tests.
configure() {
    cat <<END
<yandex>
    <logger><level>warning</level><console>1</console></logger>
    <http_port>$(port http)</http_port>
    <https_port>$(port https)</https_port>
    <tcp_port>$(port tcp)</tcp_port>
    <interserver_http_port>$(port interserver)</interserver_http_port>
    <listen_host>127.0.0.1</listen_host>
    <openSSL><server>
        <certificateFile>$state/server.pem</certificateFile>
        <privateKeyFile>$state/server.key</privateKeyFile>
        <verificationMode>none</verificationMode>
        <cacheSessions>true</cacheSessions>
        <disableProtocols>sslv2,sslv3</disableProtocols>
    </server></openSSL>
    <max_concurrent_queries>100</max_concurrent_queries>
    <uncompressed_cache_size>67108864</uncompressed_cache_size>
    <mark_cache_size>67108864</mark_cache_size>
    <path>$state/data/</path>
    <tmp_path>$state/data/tmp/</tmp_path>
    <users_config>$state/users.xml</users_config>
    <default_profile>default</default_profile>
    <default_database>default</default_database>
    <timezone>UTC</timezone>
</yandex>
END
}

configure_users() {
    local local_only='<networks><ip>127.0.0.1</ip></networks><quota>default</quota>'
    cat <<END
<yandex>
    <profiles>
        <default><max_memory_usage>2000000000</max_memory_usage></default>
        <readonly><readonly>1</readonly></readonly>
    </profiles>
    <users>
        <default><password></password><profile>default</profile>$local_only</default>
        <nova><password>hush</password><profile>default</profile>$local_only</nova>
        <looker><password></password><profile>readonly</profile>$local_only</looker>
    </users>
    <quotas><default/></quotas>
</yandex>
END
}
