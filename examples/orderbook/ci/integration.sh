#!/bin/sh
# Tests the service at $SERVICE_ADDRESS (host:port) into target/junit-integration.xml. Without one it builds the
# service, and each test starts its own.
set -eu
cd "$(dirname "$0")/.."
. ci/environment.sh
if [ -z "${SERVICE_ADDRESS:-}" ]; then
    cargo build --release --locked
    export ORDERBOOK="$CARGO_TARGET_DIR/release/orderbook"
fi
cargo run --release --locked --quiet --package orderbook-ci -- target/junit-integration.xml \
    cargo test --release --locked --package orderbook-ci --test integration
