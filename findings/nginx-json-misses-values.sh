#!/usr/bin/env bash
# A JSON log format of nginx with escape=json is no JSON for half of the interesting requests: a variable of the upstream is empty where nothing was passed on, and a list where a second server was tried.
# Written without quotes, as numbers are, `"upstream_time":$upstream_response_time` becomes `"upstream_time":,` and `"upstream_time":0.000, 0.000`; the second stands in just the lines of failures.
# Without escape=json a quote in a header is \x22, which is no escape of JSON.
# Seen with nginx 1.22.1 of Debian 12.
set -euo pipefail
work=$(mktemp -d); chmod 755 "$work"; cd "$work"
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
apt-get download -q nginx=1.22.1-9+deb12u11 >/dev/null 2>&1
dpkg-deb -x nginx_*.deb root
cat >nginx.conf <<CONF
daemon off; pid $work/pid; error_log $work/error.log; worker_processes 1;
events {}
http {
  log_format j escape=json '{"status":\$status,"agent":"\$http_user_agent","upstream_time":\$upstream_response_time}';
  log_format d '{"status":\$status,"agent":"\$http_user_agent"}';
  client_body_temp_path $work/a; proxy_temp_path $work/b; fastcgi_temp_path $work/c; uwsgi_temp_path $work/d; scgi_temp_path $work/e;
  access_log $work/json.log j; access_log $work/default.log d;
  upstream shop { server 127.0.0.1:9 max_fails=0; server 127.0.0.1:8 max_fails=0; }
  server { listen 127.0.0.1:18473; location / { return 200 ok; } location /shop { proxy_pass http://shop; } }
}
CONF
"$work/root/usr/sbin/nginx" -p "$work" -c "$work/nginx.conf" &
server=$!
for _ in $(seq 50); do curl -s -o /dev/null -A 'a "quoted" agent' http://127.0.0.1:18473/ && break; sleep 0.1; done
curl -s -o /dev/null -A x http://127.0.0.1:18473/shop
kill "$server"; wait "$server" || true
sed -E 's/0\.[0-9]{3}/0.000/g' json.log default.log | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
{"status":200,"agent":"a \"quoted\" agent","upstream_time":}
{"status":502,"agent":"x","upstream_time":0.000, 0.000}
{"status":200,"agent":"a \x22quoted\x22 agent"}
{"status":502,"agent":"x"}
OUT
