# OpenSearch with its security plugin: TLS, and users with passwords. `nova` may do anything with the
# indices of traces, and nothing else.
# shellcheck source=/dev/null
. scripts/servers/search-node/node.sh

security=$cache/opensearch-security-2.19.3.0

install() {
    get_opensearch
    need openssl openssl
    (
        exec 9>"$security.lock"
        flock 9
        [ -e "$security/complete" ] || get_security
    )
}

get_security() {
    rm -rf "$security"
    mkdir -p "$security"
    cat >"$security/pom.xml" <<'END'
<project><modelVersion>4.0.0</modelVersion>
<groupId>osprofiler</groupId><artifactId>security</artifactId><version>1</version>
<packaging>pom</packaging><dependencies><dependency>
<groupId>org.opensearch.plugin</groupId><artifactId>opensearch-security</artifactId>
<version>2.19.3.0</version><type>zip</type>
</dependency></dependencies></project>
END
    mvn -B -q -f "$security/pom.xml" \
        org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
        -DexcludeTransitive=true -DoutputDirectory="$security" >"$security/mvn.log" 2>&1 ||
        fail "maven fails; see $security/mvn.log"
    (cd "$security" && jar xf ./*.zip && rm ./*.zip)
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

# An authority of our own, and what it says of the server.
make_certificates() {
    [ ! -s "$state/server.pem" ] || return 0
    (
        cd "$state"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
            -subj /CN=osprofiler-test-ca -keyout ca.key -out ca.pem
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
            -subj /CN=server -keyout server.key -out server.csr
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 \
            -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1') -out server.pem
    ) 2>"$state/openssl.log"
}
