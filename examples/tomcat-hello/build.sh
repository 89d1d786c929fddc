#!/bin/sh
# Makes a bundle of this example: ./build.sh VERSION DIRECTORY. Packs hello.war with the first of jar, zip and python3 that is there.
set -eu
[ $# -eq 2 ] || { echo "usage: $0 VERSION DIRECTORY" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
bundle=$(cd "$2" && pwd)
web=$(mktemp -d)
trap 'rm -rf "$web"' EXIT
cp -r "$here/web/." "$web"
echo "$1" > "$web/version.txt"
rm -f "$bundle/hello.war"
cd "$web"
if command -v jar > /dev/null; then
  jar -cf "$bundle/hello.war" .
elif command -v zip > /dev/null; then
  zip -qr "$bundle/hello.war" .
else
  python3 -m zipfile -c "$bundle/hello.war" ./*
fi
cp -r "$here/appspec.yml" "$here/scripts" "$bundle"
echo "$1" > "$bundle/VERSION"
