# OpenSearch with its security plugin: TLS, and users with passwords. `nova` may do anything with the
# indices of traces, and nothing else.
# shellcheck source=/dev/null
. scripts/servers/search-node/node.sh

security=$cache/opensearch-security-2.19.3.0

install() {
    get_opensearch
    (
        exec 9>"$security.lock"
        flock 9
        [ -e "$security/complete" ] || get_security
    )
}

get_security() {
    rm -rf "$security"
    mkdir -p "$security"
    copy_artifacts "$security" true org.opensearch.plugin:opensearch-security:2.19.3.0:zip
    (cd "$security" && jar xf lib/*.zip && rm -r lib)
    touch "$security/complete"
}

start() {
    local name=opensearch-secure url
    make_certificates
    configure $name opensearch.yml <<END
discovery.type: single-node
plugins.security.ssl.transport.pemcert_filepath: server.pem
plugins.security.ssl.transport.pemkey_filepath: server.key
plugins.security.ssl.transport.pemtrustedcas_filepath: ca.pem
plugins.security.ssl.transport.enforce_hostname_verification: false
plugins.security.ssl.http.enabled: true
plugins.security.ssl.http.pemcert_filepath: server.pem
plugins.security.ssl.http.pemkey_filepath: server.key
plugins.security.ssl.http.pemtrustedcas_filepath: ca.pem
plugins.security.nodes_dn: ["CN=server"]
plugins.security.allow_default_init_securityindex: true
END
    cp "$state"/{ca.pem,server.pem,server.key} "$state/$name/config"
    write_users "$state/$name/config/opensearch-security"
    # Its own jars last: some of them are also the server's.
    launch_node $name 384m "$opensearch:$opensearch/lib/*:$security/*" \
        org.opensearch.transport.Netty4Plugin org.opensearch.index.reindex.ReindexPlugin \
        org.opensearch.security.OpenSearchSecurityPlugin
    url=127.0.0.1:$(port $name)
    wait_for 120 knows_users "https://$url"
    tell_url secure "opensearch+https://nova:hush@$url?ca=$state/ca.pem"
    tell_url plain "opensearch://nova:hush@$url"
}

knows_users() {
    curl -sf --max-time 5 --cacert "$state/ca.pem" -u nova:hush \
        "$1/_cluster/health?wait_for_status=yellow&timeout=4s" | grep -q '"timed_out":false'
}

# The plugin takes these into an index of its own at its first start.
write_users() {
    mkdir -p "$1"
    cp "$security"/config/*.yml "$1"
    cat >"$1/internal_users.yml" <<'END'
_meta: {type: internalusers, config_version: 2}
# The password is `hush`.
nova: {hash: "$2y$12$wMJbtBypHIBwYLTej3m6Vusy0R2Ct3mXmqlahGvxyw.TWAOSOHFJq", reserved: false}
END
    cat >"$1/roles.yml" <<'END'
_meta: {type: roles, config_version: 2}
tracing:
  cluster_permissions: [cluster_monitor, cluster_composite_ops, "indices:admin/index_template/*"]
  index_permissions:
    - {index_patterns: ["osprofiler-notifications*"], allowed_actions: ["*"]}
END
    cat >"$1/roles_mapping.yml" <<'END'
_meta: {type: rolesmapping, config_version: 2}
tracing: {users: [nova]}
END
}
