# Elasticsearch 7, one node; and the existing Python library, with the newest client that talks to any
# server (its next release asks whether it is Elasticsearch itself, and the first one without the
# argument `doc_type`, 8, is one that the library does not work with).
# shellcheck source=/dev/null
. scripts/servers/search-node/node.sh

python=$cache/elasticsearch-python
packages="osprofiler==4.4.0 elasticsearch==7.13.4"

install() {
    get_elasticsearch
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
    configure elasticsearch elasticsearch.yml <<<'discovery.type: single-node'
    launch_node elasticsearch 384m "$elasticsearch:$elasticsearch/lib/*" \
        org.elasticsearch.transport.Netty4Plugin org.elasticsearch.reindex.ReindexPlugin
    wait_for 60 answers elasticsearch
    tell_url elasticsearch "elasticsearch://127.0.0.1:$(port elasticsearch)"
    tell_url python "$python/bin/python"
}
