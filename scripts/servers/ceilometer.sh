# Panko behind Keystone, and Ceilometer's notification agent, which feeds it from RabbitMQ: all as
# released, in two virtual environments, since Panko (retired in 2021) wants older libraries.
#
# Panko's also has the last release of the existing Python library that could read from it, 1.15.2;
# the other one has today's.

panko_venv=$cache/ceilometer-panko-python
openstack_venv=$cache/ceilometer-openstack-python
here=$root/scripts/servers/ceilometer

install() {
    need curl curl
    local name
    for name in panko openstack; do
        # Some of Panko's libraries are old enough to be built by what the environment itself has.
        make_venv "ceilometer-$name" "setuptools==69.5.1 wheel==0.45.1" "$(cat "$here/$name.txt")"
    done
}

start() {
    keystone=http://127.0.0.1:$(port keystone)/v3
    panko=http://127.0.0.1:$(port panko)
    make_certificates
    configure
    make_keystone
    OS_KEYSTONE_CONFIG_FILES=$state/keystone.conf launch keystone \
        "$openstack_venv/bin/python" "$here/serve_keystone.py" "$(port keystone)"
    launch panko \
        "$panko_venv/bin/python" "$here/serve_panko.py" "$state" "$(port panko)" "$(port tls)"
    launch agent \
        "$openstack_venv/bin/ceilometer-agent-notification" --config-file "$state/ceilometer.conf"
    wait_for 120 curl --silent --fail "$keystone"
    wait_for 120 curl --silent --fail "$panko/"
    fill_keystone
    local as_admin="auth_url=$keystone&project=admin"
    tell_url panko "ceilometer://admin:hush@127.0.0.1:$(port panko)/?$as_admin"
    tell_url tls "ceilometer+https://admin:hush@localhost:$(port tls)/?$as_admin&ca=$state/ca.pem"
    tell_url ingest "$panko/ingest"
    tell_url keystone "$keystone"
    tell_url credential "$(cat "$state/credential")"
    tell_url bus "$bus"
    tell_url python "$panko_venv/bin/python"
    tell_url python-today "$openstack_venv/bin/python"
}

configure() {
    bus=$("$root/scripts/services" start messaging >&2; cat "$states/messaging/url.ceilometer")
    local file
    for file in keystone.conf panko.conf ceilometer.conf event_pipeline.yaml; do
        sed "s|@state@|$state|g; s|@keystone@|$keystone|g; s|@panko@|$panko|g; s|@bus@|$bus|g; s|@root@|$root|g" \
            "$here/$file" >"$state/$file"
    done
}

# With a project and a user, made once. Fernet's keys are to be nobody else's.
make_keystone() {
    [ ! -e "$state/bootstrapped" ] || return 0
    local manage="$openstack_venv/bin/keystone-manage --config-file $state/keystone.conf"
    local as="--keystone-user $(id -un) --keystone-group $(id -gn)"
    rm -rf "$state"/{fernet,credentials,keystone.db}
    mkdir -m 700 "$state"/{fernet,credentials}
    {
        $manage db_sync
        $manage fernet_setup $as
        $manage credential_setup $as
        $manage bootstrap --bootstrap-username admin --bootstrap-password hush \
            --bootstrap-public-url "$keystone" --bootstrap-region-id RegionOne
    } >>"$state/keystone-manage.log" 2>&1
    touch "$state/bootstrapped"
}

# The catalogue, and an application credential.
fill_keystone() {
    [ ! -s "$state/credential" ] || return 0
    "$openstack_venv/bin/python" "$here/fill_keystone.py" "$keystone" "$panko" >"$state/new-credential"
    mv "$state/new-credential" "$state/credential"
}
