#!/bin/sh
# BeforeInstall: what Tomcat made of the .war that was there before would be served along with the new one.
set -eu
systemctl stop tomcat10.service
rm -rf /var/lib/tomcat10/webapps/hello
