#!/usr/bin/env bash
# A level of one's own (TRACE is 5, NOTICE is 25 in many Python services) has no place in two GELF handlers.
# graypy writes Python's number where GELF wants a severity of syslog: TRACE arrives as a notice, NOTICE as 25. pygelf does not send the log at all.
# Seen with graypy 2.1.0 and pygelf 0.4.3. Both also leave out a field `id` without a word.
# For rules: such logs are found by their text, if they arrive.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check graypy==2.1.0 pygelf==0.4.3
cat >finding.py <<'PY'
import json, logging, socket, zlib
import graypy, pygelf

logging.raiseExceptions = False
logging.addLevelName(5, 'TRACE')
logging.addLevelName(25, 'NOTICE')
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(('127.0.0.1', 0))
server.settimeout(1)
port = server.getsockname()[1]
handlers = {'graypy': graypy.GELFUDPHandler('127.0.0.1', port),
            'pygelf': pygelf.GelfUdpHandler('127.0.0.1', port, include_extra_fields=True)}
seen = []
for name, handler in handlers.items():
    log = logging.getLogger(name)
    log.addHandler(handler)
    log.setLevel(1)
    for level in (5, 25, 40):
        log.log(level, 'a log', extra={'id': 7, 'order': 8})
        try:
            got = json.loads(zlib.decompress(server.recv(65535)))
            seen.append((name, level, got['level'], got.get('_id'), got['_order']))
        except TimeoutError:
            seen.append((name, level, 'not sent'))
        print(*seen[-1])
if seen != [('graypy', 5, 5, None, 8), ('graypy', 25, 25, None, 8), ('graypy', 40, 3, None, 8),
            ('pygelf', 5, 'not sent'), ('pygelf', 25, 'not sent'), ('pygelf', 40, 3, None, 8)]:
    raise SystemExit(f'CHANGED: {seen}')
PY
venv/bin/python finding.py
