#!/bin/sh
# Runs the tests of the service into target/junit.xml, then builds target/release/orderbook.
set -eu
cd "$(dirname "$0")/.."
. ci/environment.sh
cargo run --release --locked --quiet --package orderbook-ci -- target/junit.xml cargo test --release --locked
cargo build --release --locked
