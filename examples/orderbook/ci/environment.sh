# Read by the scripts beside this file, from the root of the repository: the same source at the same path gives the
# same binary, whoever builds it and wherever their crates lie.
CARGO_TARGET_DIR=$PWD/target
export CARGO_TARGET_DIR
triple=$(rustc --print host-tuple | tr 'a-z-' 'A-Z_')
export "CARGO_TARGET_${triple}_RUSTFLAGS=--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
# `cc` is often a link through /etc, which a sandbox may not have.
if ! command -v cc >/dev/null; then
    linker=$(command -v gcc || command -v clang)
    export "CARGO_TARGET_${triple}_LINKER=$linker"
fi
