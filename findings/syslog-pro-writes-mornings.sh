#!/usr/bin/env bash
# syslog-pro writes the hour by the twelve-hour clock without am or pm, so each log of the afternoon is twelve hours old, and in RFC 5424 form it writes the letters BOM before the text.
# Seen with syslog-pro 1.0.0 (npm).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
echo '{"private": true, "type": "module"}' >package.json
npm install --silent --no-audit --no-fund syslog-pro@1.0.0 >/dev/null 2>&1
cat >finding.js <<'JS'
import dgram from 'node:dgram';
import SyslogPro from 'syslog-pro';

const server = dgram.createSocket('udp4');
let packets = 0;
server.on('message', (packet) => {
  const text = packet.toString().trim();
  console.log(text.startsWith('<187>1 ') ? 'RFC 5424:' : 'RFC 3164:', 'hour', /(\d\d):\d\d:\d\d/.exec(text)[1], text.slice(text.lastIndexOf(' card') < 0 ? text.indexOf('BOM') : text.lastIndexOf('card')));
  if (++packets == 2) process.exit(0);
});
server.bind(0, '127.0.0.1', async () => {
  const to = { target: '127.0.0.1', port: server.address().port, protocol: 'udp' };
  console.log('the hour is', new Date().getHours());
  await new SyslogPro.RFC3164({ server: to, applicationName: 'shop' }).error('card refused');
  await new SyslogPro.RFC5424({ server: to, applicationName: 'shop' }).error('card refused');
});
JS
hours=$((13 - 10#$(date -u +%H)))
export TZ=Etc/GMT$([ $hours -lt 0 ] && echo "+$((-hours))" || echo "-$hours")
node finding.js | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
the hour is 13
RFC 3164: hour 01 card refused
RFC 5424: hour 01 BOMcard refused
OUT
