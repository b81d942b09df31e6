# OpenSearch, a cluster of three nodes.
# shellcheck source=/dev/null
. scripts/servers/search-node/node.sh

nodes=(one two three)

install() { get_opensearch; }

start() {
    local name seeds='' hosts=()
    for name in "${nodes[@]}"; do
        seeds+=${seeds:+, }127.0.0.1:$(port "$name.transport")
        hosts+=("127.0.0.1:$(port "$name")")
    done
    for name in "${nodes[@]}"; do
        configure "$name" opensearch.yml <<END
cluster.name: osprofiler
cluster.initial_cluster_manager_nodes: [$(IFS=,; echo "${nodes[*]}")]
discovery.seed_hosts: [$seeds]
END
        launch_node "$name" 256m "$opensearch:$opensearch/lib/*" \
            org.opensearch.transport.Netty4Plugin org.opensearch.index.reindex.ReindexPlugin
    done
    wait_for 120 is_whole
    tell_url cluster "opensearch://$(IFS=,; echo "${hosts[*]}")"
}

is_whole() {
    curl -sf --max-time 5 \
        "http://127.0.0.1:$(port one)/_cluster/health?wait_for_nodes=3&wait_for_status=green&timeout=4s" |
        grep -q '"timed_out":false'
}
