#!/bin/sh
# shellcheck disable=SC2034
# What this host has, and where. Read by the other scripts, which run in the bundle's root:
# STATE/deployments/GROUP/DEPLOYMENT/deployment-archive

state=${PWD%/deployments/*}
work=$state/agent-update
version=$(cat VERSION)
unit=drover-agent-update.service

case $(uname -m) in
  x86_64) architecture=amd64 ;;
  aarch64) architecture=arm64 ;;
  *) architecture=$(uname -m) ;;
esac
# Of a package that was removed dpkg keeps a list of what is left, and what is here came from elsewhere since.
case $(dpkg-query --show --showformat '${db:Status-Abbrev}' drover-agent 2> /dev/null) in
  '' | ?n* | ?c*) kind=archive suffix=tar.gz ;;
  *) kind=deb suffix=deb ;;
esac
package=packages/drover-agent_${version}_$architecture.$suffix

# What is installed may be broken, and say anything.
installed_version() {
  said=$(/usr/bin/drover-agent --version 2> /dev/null | head -n 1 | tr -cd '0-9A-Za-z.+~-' | cut -c 1-64)
  echo "${said:-unknown}"
}

fail() {
  echo "drover-agent: $*" >&2
  exit 1
}
