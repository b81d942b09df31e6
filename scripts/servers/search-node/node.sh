# Nodes of OpenSearch and of Elasticsearch, from the jars in Maven Central; for the servers whose
# scripts read this file. ($cache, $state, $root and the functions are those of scripts/services.)
# shellcheck disable=SC2154

opensearch=$cache/opensearch-2.19.3
elasticsearch=$cache/elasticsearch-7.17.28

need_java() {
    need javac openjdk-17-jdk-headless
    need mvn maven
    need curl curl
}

# copy_artifacts FOLDER ALONE ARTIFACT...: GROUP:NAME:VERSION:TYPE from Maven Central into FOLDER/lib,
# with all that they need unless ALONE is true.
copy_artifacts() {
    local folder=$1 alone=$2 artifact
    shift 2
    {
        echo '<project><modelVersion>4.0.0</modelVersion>'
        echo '<groupId>osprofiler</groupId><artifactId>node</artifactId><version>1</version>'
        echo '<packaging>pom</packaging><dependencies>'
        for artifact in "$@"; do
            echo "$artifact" | sed -E 's#(.*):(.*):(.*):(.*)#<dependency><groupId>\1</groupId><artifactId>\2</artifactId><version>\3</version><type>\4</type></dependency>#'
        done
        echo '</dependencies></project>'
    } >"$folder/pom.xml"
    mvn -B -q -f "$folder/pom.xml" \
        org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
        -DexcludeTransitive="$alone" -DoutputDirectory="$folder/lib" >"$folder/mvn.log" 2>&1 ||
        fail "maven fails; see $folder/mvn.log"
}

# get PRODUCT VERSION LOG4J [ARTIFACT...]: the jars of a product into $cache, and our main class.
get() (
    local product=$1 version=$2 log4j=$3
    local home=$cache/$product-$version
    shift 3
    exec 9>"$home.lock"
    flock 9
    [ ! -e "$home/complete" ] || return 0
    rm -rf "$home"
    mkdir -p "$home/lib"
    copy_artifacts "$home" false "org.$product:$product:$version:jar" "$@" \
        "org.$product.plugin:transport-netty4-client:$version:jar" \
        "org.$product.plugin:reindex-client:$version:jar" \
        "org.apache.logging.log4j:log4j-core:$log4j:jar"
    sed "s/org\.opensearch/org.$product/" "$root/scripts/servers/search-node/ServerNode.java" \
        >"$home/ServerNode.java"
    javac -proc:none -cp "$home/lib/*" -d "$home" "$home/ServerNode.java" 2>>"$home/mvn.log" ||
        fail "javac fails; see $home/mvn.log"
    touch "$home/complete"
)

get_opensearch() {
    need_java
    get opensearch 2.19.3 2.21.0
}

get_elasticsearch() {
    need_java
    get elasticsearch 7.17.28 2.17.1
}

# configure NAME FILE: makes the configuration of node NAME, in which FILE (`opensearch.yml`) is what
# comes from the standard input.
configure() {
    local home=$state/$1
    mkdir -p "$home/config"
    cat >"$home/config/log4j2.properties" <<'END'
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %-5p %c{1.} %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
END
    {
        cat
        echo "node.name: $1"
        echo "network.host: 127.0.0.1"
        echo "http.port: $(port "$1")"
        echo "transport.port: $(port "$1.transport")"
        # Not a matter of these tests, and the disks of developers are full.
        echo "cluster.routing.allocation.disk.threshold_enabled: false"
    } >"$home/config/$2"
}

# launch_node NAME HEAP CLASSPATH PLUGIN...: starts a configured node.
launch_node() {
    local name=$1 heap=$2 classpath=$3
    shift 3
    launch "$name" java "-Xms$heap" "-Xmx$heap" -XX:+UseSerialGC -XX:-UsePerfData \
        -Dlog4j2.disable.jmx=true -cp "$classpath" ServerNode "$state/$name" "$@"
}

# answers NAME [CURL OPTIONS]: whether a node takes requests about what it had.
answers() {
    local name=$1
    shift
    curl -sf --max-time 5 "$@" \
        "http://127.0.0.1:$(port "$name")/_cluster/health?wait_for_status=yellow&timeout=4s" |
        grep -q '"timed_out":false'
}
