# Jaeger, in memory: OTLP over HTTP and gRPC, and its query API; all of it once more with TLS and a
# user (`nova`); and the existing Python library with the newest exporter that it was tried with.

version=v1.76.0 # of the Go module; the program calls itself 2.13
jaeger=$cache/jaeger-$version

install() {
    [ -x "$jaeger" ] || build_go "github.com/jaegertracing/jaeger@$version" ./cmd/jaeger "$jaeger"
    make_venv otlp "osprofiler==4.4.0 opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-http==1.45.2"
}

# What the storage is; another file may say otherwise.
storage() { echo "memory: {max_traces: 100000}"; }

start() {
    local certificate
    make_certificates
    certificate="{cert_file: $state/server.pem, key_file: $state/server.key}"
    cat >"$state/config.yaml" <<END
service:
  extensions: [jaeger_storage, jaeger_query, jaeger_query/secure, basicauth]
  pipelines:
    traces: {receivers: [otlp, otlp/secure], exporters: [jaeger_storage_exporter]}
  telemetry: {metrics: {level: none}}
extensions:
  basicauth: {htpasswd: {inline: "nova:hush"}}
  jaeger_storage: {backends: {traces: {$(storage)}}}
  jaeger_query:
    storage: {traces: traces}
    http: {endpoint: "127.0.0.1:$(port query)"}
    grpc: {endpoint: "127.0.0.1:$(port query.grpc)"}
  jaeger_query/secure:
    storage: {traces: traces}
    http: {endpoint: "127.0.0.1:$(port secure.query)", tls: $certificate, auth: {authenticator: basicauth}}
    grpc: {endpoint: "127.0.0.1:$(port secure.query.grpc)", tls: $certificate, auth: {authenticator: basicauth}}
receivers:
  otlp:
    protocols:
      http: {endpoint: "127.0.0.1:$(port http)"}
      grpc: {endpoint: "127.0.0.1:$(port grpc)"}
  otlp/secure:
    protocols:
      http: {endpoint: "127.0.0.1:$(port secure.http)", tls: $certificate, auth: {authenticator: basicauth}}
      grpc: {endpoint: "127.0.0.1:$(port secure.grpc)", tls: $certificate, auth: {authenticator: basicauth}}
exporters:
  jaeger_storage_exporter: {trace_storage: traces}
END
    launch jaeger env GOMEMLIMIT=400MiB "$jaeger" --config "$state/config.yaml"
    wait_for 30 curl --silent --fail "http://127.0.0.1:$(port query)/api/services"
    wait_for 30 curl --silent --fail --data '{}' -H 'Content-Type: application/json' "http://127.0.0.1:$(port http)/v1/traces"
    tell_url jaeger "jaeger://127.0.0.1:$(port query)?otlp_port=$(port http)"
    tell_url http "otlp://127.0.0.1:$(port http)"
    tell_url grpc "otlp+grpc://127.0.0.1:$(port grpc)"
    tell_url secure-jaeger "jaeger+https://nova:hush@127.0.0.1:$(port secure.query)?otlp_port=$(port secure.http)&ca=$state/ca.pem"
    tell_url secure-http "otlps://nova:hush@127.0.0.1:$(port secure.http)?ca=$state/ca.pem"
    tell_url secure-grpc "otlp+grpcs://nova:hush@127.0.0.1:$(port secure.grpc)?ca=$state/ca.pem"
    tell_url python "$cache/otlp-python/bin/python"
}
