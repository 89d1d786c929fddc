#!/bin/sh
# ApplicationStop: Tomcat ends its requests first.
set -eu
systemctl stop tomcat10.service
