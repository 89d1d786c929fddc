#!/bin/sh
# Run by the agent that is here now.
set -eu
. ./place.sh
[ "$(installed_version)" = "$version" ] || fail "$(installed_version) is installed, not $version"
grep -qF "\"version\":\"$version\"" "$state/status.json" || fail "another version than $version runs"
# The packed bundle is in the agent's cache; the packages in it need not lie here a second time.
rm -rf packages
echo "drover-agent $version is installed and runs"
