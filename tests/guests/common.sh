# What `setup` and `build` share: where things are kept, and by which content.

guests=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$guests/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/stageway/guests

say() { printf '%s\n' "$*" >&2; }

# The beginning of a digest of files, folders and their contents, whatever was built in them.
key() {
    (cd "$root" && find "$@" -type f ! -path '*/target/*' ! -path '*/__pycache__/*' ! -name '*.wasm' -print0 \
        | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
}

python=$cache/python-$(key tests/guests/requirements.txt)
node=$cache/node-$(key tests/guests/typescript/package.json tests/guests/typescript/package-lock.json)
bindings=$cache/bindings-$(key tests/guests/bindings)
