#!/bin/sh
# Runs every test that needs no running service into target/junit.xml, then builds target/release/orderbook.
set -eu
cd "$(dirname "$0")/.."
. ci/environment.sh
cargo run --release --locked --quiet --package orderbook-ci -- target/junit.xml \
    cargo test --release --locked --workspace
cargo build --release --locked
