# A cluster of three masters.

install() { need redis-server redis-server; }

start() {
    local name nodes=()
    for name in node1 node2 node3; do
        mkdir -p "$state/$name"
        launch "$name" redis-server --port "$(port $name)" --bind 127.0.0.1 --dir "$state/$name" \
            --save '' --appendonly yes \
            --cluster-enabled yes --cluster-port "$(port $name.bus)" --cluster-node-timeout 2000
        wait_for 30 redis-cli -e -p "$(port $name)" ping
        nodes+=("127.0.0.1:$(port $name)")
    done
    # Once: the nodes remember it.
    if [ ! -e "$state/created" ]; then
        redis-cli --cluster create "${nodes[@]}" --cluster-yes >>"$state/create.log"
        touch "$state/created"
    fi
    wait_for 20 is_whole
    tell_url cluster "rediscluster://$(IFS=,; echo "${nodes[*]}")"
}

is_whole() {
    local name
    for name in node1 node2 node3; do
        redis-cli -p "$(port $name)" cluster info | grep -q cluster_state:ok || return 1
    done
}
