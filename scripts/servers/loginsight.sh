# No Log Insight can be had: this is a small server of ours that speaks the part of its API that the
# drivers use, as it is documented. And the existing Python library, which knows nothing but the
# usual ports; so the server has an address of the loopback of its own, one for each checkout.

host=127.95.$(($(port address) / 250 % 250)).$(($(port address) % 250 + 1))

install() { make_venv loginsight "osprofiler==4.4.0"; }

start() {
    make_certificates "$host"
    launch loginsight python3 scripts/servers/loginsight/server.py "$host" "$state"
    wait_for 20 python3 -c "import socket; socket.create_connection(('$host', 9543)); socket.create_connection(('$host', 9000))"
    tell_url loginsight "loginsight://nova:hush@$host?ca=$state/ca.pem"
    # What the Python library takes.
    tell_url plain "loginsight://nova:hush@$host"
    tell_url python "$cache/loginsight-python/bin/python"
}
