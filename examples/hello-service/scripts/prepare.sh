#!/bin/sh
# AfterInstall: what a migration would do. A file SLOW in the bundle says how many seconds it takes.
set -eu
. "$(dirname "$0")/common.sh"
note
seconds=0
if [ -f SLOW ]; then seconds=$(cat SLOW); fi
echo "migrating for $seconds s"
sleep "$seconds"
echo "migrated"
