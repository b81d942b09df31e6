# OpenSearch, one node that asks nobody for a password.
# shellcheck source=/dev/null
. scripts/servers/search-node/node.sh

install() { get_opensearch; }

start() {
    configure opensearch opensearch.yml <<<'discovery.type: single-node'
    launch_node opensearch 384m "$opensearch:$opensearch/lib/*" \
        org.opensearch.transport.Netty4Plugin org.opensearch.index.reindex.ReindexPlugin
    wait_for 60 answers opensearch
    tell_url opensearch "opensearch://127.0.0.1:$(port opensearch)"
}
