#!/usr/bin/env bash
# winston-syslog in RFC 5424 form writes the time of UTC with the offset of the local zone: in New York a log is five hours ahead, in Berlin an hour or two behind.
# The form of RFC 3164 has local time without a zone.
# Seen with winston-syslog 2.7.1.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
echo '{"private": true, "type": "module"}' >package.json
npm install --silent --no-audit --no-fund winston@3.19.0 winston-syslog@2.7.1 >/dev/null 2>&1
cat >finding.js <<'JS'
import dgram from 'node:dgram';
import winston from 'winston';
import { Syslog } from 'winston-syslog';

const server = dgram.createSocket('udp4');
server.on('message', (packet) => {
  const written = new Date(packet.toString().split(' ')[1]);
  console.log(process.env.TZ, 'minutes ahead:', Math.round((written - new Date()) / 60000) || 0);
  process.exit(0);
});
server.bind(0, '127.0.0.1', () => {
  const out = new Syslog({ host: '127.0.0.1', port: server.address().port, protocol: 'udp4', type: '5424', app_name: 'shop' });
  winston.createLogger({ transports: [out] }).error('card refused');
});
JS
for zone in UTC Asia/Kolkata America/Phoenix; do TZ=$zone node finding.js; done | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
UTC minutes ahead: 0
Asia/Kolkata minutes ahead: -330
America/Phoenix minutes ahead: 420
OUT
