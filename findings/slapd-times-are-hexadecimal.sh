#!/usr/bin/env bash
# OpenLDAP 2.5 and later writes its own log, as containers have it, with the time in hexadecimal: seconds since 1970, and nanoseconds, then the thread; 6b0da60c.1c64ab2c is 2026-11-30 16:36:28.476359468.
# Such a line has no time that a person or a pattern reads, and no level.
# Seen with slapd 2.5.13+dfsg-5 of Debian 12. The time is read.
set -euo pipefail
work=$(mktemp -d); trap 'kill "${daemon:-}" 2>/dev/null || true; rm -rf "$work"' EXIT; cd "$work"
(apt-get download slapd=2.5.13+dfsg-5 libldap-2.5-0 && for p in *.deb; do dpkg -x "$p" root; done) >/dev/null 2>&1
mkdir db
cat >slapd.conf <<CONF
include $work/root/etc/ldap/schema/core.schema
pidfile $work/pid
modulepath $work/root/usr/lib/ldap
moduleload back_ldif
database ldif
suffix "dc=example"
directory $work/db
CONF
LD_LIBRARY_PATH=$work/root/usr/lib/x86_64-linux-gnu:$work/root/usr/lib root/usr/sbin/slapd -h ldap://127.0.0.1:13389 -f slapd.conf -d 256 2>out.txt &
daemon=$!
for _ in $(seq 50); do grep -q 'slapd starting' out.txt && break; sleep 0.2; done
now=$(date +%s)
cat out.txt
seconds=$(grep 'slapd starting' out.txt | grep -oP '^[0-9a-f]{8}(?=\.[0-9a-f]{8} 0x)' || true)
[ -n "$seconds" ] && [ $((now - 0x$seconds)) -ge 0 ] && [ $((now - 0x$seconds)) -lt 60 ] || { echo 'CHANGED'; exit 1; }
