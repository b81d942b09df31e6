# Elasticsearch 7, one node; and the existing Python library, with the newest client that talks to any
# server (its next release asks whether it is Elasticsearch itself, and the first one without the
# argument `doc_type`, 8, is one that the library does not work with).
# shellcheck source=/dev/null
. scripts/servers/search-node/node.sh

install() {
    get_elasticsearch
    make_venv elasticsearch "osprofiler==4.4.0 elasticsearch==7.13.4"
}

start() {
    configure elasticsearch elasticsearch.yml <<<'discovery.type: single-node'
    launch_node elasticsearch 384m "$elasticsearch:$elasticsearch/lib/*" \
        org.elasticsearch.transport.Netty4Plugin org.elasticsearch.reindex.ReindexPlugin
    wait_for 60 answers elasticsearch
    tell_url elasticsearch "elasticsearch://127.0.0.1:$(port elasticsearch)"
    tell_url python "$cache/elasticsearch-python/bin/python"
}
