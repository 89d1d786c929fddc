#!/bin/sh
# ValidateService: asks over HTTP for the version that this bundle brings. The working directory is the bundle's root.
set -eu
expected=$(cat site/version.txt)
answer=''
tries=0
while [ "$tries" -lt 50 ]; do
  answer=$(curl -fsS --max-time 5 http://127.0.0.1:8081/version.txt 2>&1) && [ "$answer" = "$expected" ] && exit 0
  tries=$((tries + 1))
  sleep 0.1
done
echo "expected version $expected, got: $answer" >&2
exit 1
