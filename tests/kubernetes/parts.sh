# What may stand beside the cluster; sourced by `cluster`. Each part writes where it is found into a file beside the kubeconfig.

# A registry for what is built and one for what is promoted. Each is two servers on one storage: the engine speaks plain HTTP to its own
# machine's loopback only, and the nodes are elsewhere.
start_registries() {
    command -v docker-registry >/dev/null 2>&1 || fail 'docker-registry is missing: run `engine/setup --tests`'
    start_registry build 5000
    start_registry production 5001
}

start_registry() { # name, port of the node
    local outer
    outer=127.0.0.1:$(free_port)
    registry_configuration "$1" "$outer" >"$place/registry-$1-outer.yml"
    registry_configuration "$1" "$node:$2" >"$place/registry-$1-inner.yml"
    beside "registry-$1-outer" docker-registry serve "$place/registry-$1-outer.yml"
    part "registry-$1-inner" docker-registry serve "$place/registry-$1-inner.yml"
    wait_for 30 "the registry $1" curl -sf "http://$outer/v2/"
    printf '%s-engine=%s\n%s-nodes=%s\n%s-storage=%s\n' "$1" "$outer" "$1" "$node:$2" "$1" "$place/registry-$1" >>"$place/registry"
}

registry_configuration() { # name, address
    cat <<END
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $place/registry-$1 }, delete: { enabled: true } }
http: { addr: "$2" }
END
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

put_kaniko() {
    local executor
    executor=$("$here/../kaniko/setup")
    mkdir -p "$place/kaniko/kaniko/ssl/certs"
    cp "$executor" "$place/kaniko/kaniko/executor"
    cp /etc/ssl/certs/ca-certificates.crt "$place/kaniko/kaniko/ssl/certs/"
    python3 "$here/image.py" "$place/kaniko" stageway.test/kaniko:1 /kaniko/executor HOME=/root USER=root \
        PATH=/usr/local/bin:/kaniko SSL_CERT_DIR=/kaniko/ssl/certs DOCKER_CONFIG=/kaniko/.docker/ >"$place/kaniko.tar"
    push_image "$place/kaniko.tar" tools/kaniko:1
}

push_image() { # file, repository:tag
    local address
    address=$(sed -n 's/^build-engine=//p' "$place/registry")
    skopeo copy -q --dest-tls-verify=false "docker-archive:$1" "docker://$address/$2" >&2
}

start_prometheus() {
    local program
    program=$("$here/../prometheus/setup")
    cat >"$place/prometheus.yml" <<END
global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
scrape_configs: [{ job_name: pods, file_sd_configs: [{ files: ["$place/targets.json"], refresh_interval: 1s }] }]
END
    part targets python3 "$here/../prometheus/targets.py" "https://$node:443" "$token" \
        "$place/certificates/apiserver.crt" "$place/targets.json"
    part prometheus "$program" --config.file "$place/prometheus.yml" --storage.tsdb.path "$place/prometheus-data" \
        --web.listen-address "0.0.0.0:9090" --log.level warn
    wait_for 30 Prometheus curl -sf "http://$inside:9090/-/ready"
    printf 'url=http://%s:9090\npid=%s\n' "$inside" "${running[prometheus]}" >"$place/prometheus"
}

start_passages() { # all arguments of the cluster
    local passages=() part
    for part in "$@"; do
        case $part in pass:*) passages+=("${part#pass:}") ;; esac
    done
    [ "${#passages[@]}" != 0 ] || return 0
    beside passages python3 "$here/passage.py" "/run/netns/$netns" "$node" "${passages[@]}"
}
