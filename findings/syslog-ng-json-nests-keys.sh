#!/usr/bin/env bash
# syslog-ng's $(format-json) makes objects of names with dots, and an underscore of a leading dot: the parameter http.status of structured data is at _SDATA, ex@1, http, status.
# A byte that is no UTF-8 becomes the text \xe9. The default template of files has no severity, and the sender's local time without its zone; the host is the relay's own unless keep-hostname is on.
# Seen with syslog-ng 3.38.1 (Debian 12).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
command -v syslog-ng >/dev/null || apt-get install -y -q syslog-ng-core=3.38.1-5+deb12u1 >/dev/null
cat >syslog-ng.conf <<'CONF'
@version: 3.38
source in { file("in" follow-freq(0.1) flags(syslog-protocol)); };
destination json { file("json" template("$(format-json .SDATA.* MESSAGE)\n")); };
destination plain { file("plain"); };
log { source(in); destination(json); destination(plain); };
CONF
printf '<11>1 2026-11-29T08:04:36.382+02:00 web-1 shop 42 - [ex@1 http.status="503"] caf\xe9\n' >in
timeout 5 syslog-ng -F -f syslog-ng.conf -R persist -c control --pidfile pid --no-caps >/dev/null 2>&1 || true
cat json plain | LC_ALL=C sed "s/\xe9/E9/; s/ $(hostname) / RELAY /" | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
{"_SDATA":{"ex@1":{"http":{"status":"503"}}},"MESSAGE":"caf\\xe9"}
Nov 29 08:04:36 RELAY shop[42]: cafE9
OUT
