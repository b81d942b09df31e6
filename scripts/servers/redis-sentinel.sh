# A master, its replica, and three Sentinels that watch them, as Kolla-Ansible sets them up: the
# servers have a password, the Sentinels have none.

install() { need redis-server redis-server; }

start() {
    local master name
    master=$(port server1)
    # Sentinels write into their configuration: each start begins with a fresh one.
    start_server 1
    start_server 2 --replicaof 127.0.0.1 "$master"
    wait_for 10 has_replica "$master"
    for name in 1 2 3; do start_sentinel $name "$master"; done
    wait_for 10 know_each_other
    tell_url sentinel "redissentinel://default:hush@127.0.0.1:$(port sentinel1),127.0.0.1:$(port sentinel2),127.0.0.1:$(port sentinel3)/0?sentinel=kolla"
    tell_url kolla "redis://default:hush@127.0.0.1:$(port sentinel1)?sentinel=kolla&sentinel_fallback=127.0.0.1:$(port sentinel2)&sentinel_fallback=127.0.0.1:$(port sentinel3)&db=0&socket_timeout=60&retry_on_timeout=yes"
}

start_server() {
    local name=server$1
    shift
    mkdir -p "$state/$name"
    launch "$name" redis-server --port "$(port "$name")" --bind 127.0.0.1 --dir "$state/$name" \
        --save '' --appendonly yes --requirepass hush --masterauth hush \
        --repl-diskless-sync-delay 0 --repl-ping-replica-period 1 "$@"
    wait_for 30 ask "$(port "$name")" ping
}

start_sentinel() {
    local name=sentinel$1
    cat >"$state/$name.conf" <<END
port $(port "$name")
bind 127.0.0.1
dir $state
sentinel monitor kolla 127.0.0.1 $2 2
sentinel auth-pass kolla hush
sentinel down-after-milliseconds kolla 1000
sentinel failover-timeout kolla 1000
END
    launch "$name" redis-server "$state/$name.conf" --sentinel
    wait_for 30 redis-cli -e -p "$(port "$name")" ping
}

ask() { REDISCLI_AUTH=hush redis-cli -e -p "$@"; }

has_replica() { ask "$1" info replication | grep -q 'state=online'; }

know_each_other() {
    local name seen
    for name in 1 2 3; do
        seen=$(redis-cli -p "$(port sentinel$name)" sentinel ckquorum kolla)
        [[ $seen == "OK 3 usable"* ]] || return 1
        redis-cli -p "$(port sentinel$name)" sentinel replicas kolla | grep -q 127.0.0.1 || return 1
    done
}
