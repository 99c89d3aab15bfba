#!/bin/sh
# Fetches the third-party script of VENDORED.md anew, with the licences of all it bundles: ./refresh.sh [version].
# Needs npm, whose client checks what it gets. Then say the version and the checksum in VENDORED.md.
set -eu
cd "$(dirname "$0")"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
npm install --silent --ignore-scripts --prefix "$folder" "3dmol@${1:-2.5.5}"
cp "$folder/node_modules/3dmol/build/3Dmol-min.js" 3Dmol-min.js
for licence in "$folder"/node_modules/3dmol/LICENSE "$folder"/node_modules/*/LICENSE; do
  name="$(basename "$(dirname "$licence")")"
  [ "$name" = 3dmol ] && [ "${seen:-}" ] && continue
  seen=yes
  printf '==== %s ====\n\n' "$name"
  cat "$licence"
  echo
done >3Dmol.LICENSES.txt
sha256sum 3Dmol-min.js
