#!/bin/sh
# ValidateService: asks the page over HTTP. The first answer takes Tomcat some seconds: it compiles the page.
set -eu
expected="hello from $(cat VERSION)"
answer=''
tries=0
while [ "$tries" -lt 200 ]; do
  answer=$(curl -fsS --max-time 30 http://127.0.0.1:8080/hello/ 2>&1) && break
  tries=$((tries + 1))
  sleep 0.5
done
[ "$answer" = "$expected" ] || { echo "expected: $expected, got: $answer" >&2; exit 1; }
