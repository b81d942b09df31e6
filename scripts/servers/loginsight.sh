# No Log Insight can be had: this is a small server of ours that speaks the part of its API that the
# drivers use, as it is documented. And the existing Python library, which knows nothing but the
# usual ports; so the server has an address of the loopback of its own.

host=127.95.43.1
python=$cache/loginsight-python
packages="osprofiler==4.4.0"

install() {
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
    make_certificates
    launch loginsight python3 scripts/servers/loginsight/server.py "$host" "$state"
    wait_for 20 python3 -c "import socket; socket.create_connection(('$host', 9543)); socket.create_connection(('$host', 9000))"
    tell_url loginsight "loginsight://nova:hush@$host?ca=$state/ca.pem"
    # What the Python library takes.
    tell_url plain "loginsight://nova:hush@$host"
    tell_url python "$python/bin/python"
}

make_certificates() {
    [ ! -s "$state/server.pem" ] || return 0
    (
        cd "$state"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
            -subj /CN=osprofiler-test-ca -keyout ca.key -out ca.pem
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
            -subj /CN=server -keyout server.key -out server.csr
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 \
            -extfile <(echo "subjectAltName=IP:$host") -out server.pem
    ) 2>"$state/openssl.log"
}
