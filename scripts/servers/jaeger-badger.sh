# Jaeger with its store on disk, to be stopped and started again.

# shellcheck source=scripts/servers/jaeger.sh
. scripts/servers/jaeger.sh

storage() {
    mkdir -p "$state/keys" "$state/values"
    echo "badger: {ephemeral: false, directories: {keys: $state/keys, values: $state/values}, ttl: {spans: 87600h}}"
}
