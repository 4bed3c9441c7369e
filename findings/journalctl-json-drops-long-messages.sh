#!/usr/bin/env bash
# journalctl -o json writes a message of more than 4,087 bytes as null unless --all is given, and one with a colour or another control character as a list of numbers in any case.
# A pipe from journalctl to a Kafka producer so loses the stack traces first.
# Seen with systemd 252.39 (Debian 12). journald itself is not needed: systemd-journal-remote writes the journal.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
[ -x /lib/systemd/systemd-journal-remote ] || apt-get install -y -q systemd-journal-remote=252.39-1~deb12u2 >/dev/null
python3 - >entries <<'PY'
import sys
head = b'__REALTIME_TIMESTAMP=1764500000000000\n__MONOTONIC_TIMESTAMP=1\n_BOOT_ID=' + b'1' * 32 + b'\nPRIORITY=3\n'
for message in (b'card refused', b'x' * 4087, b'x' * 4088, b'\x1b[31mcard refused\x1b[0m'):
    sys.stdout.buffer.write(head + b'MESSAGE\n' + len(message).to_bytes(8, 'little') + message + b'\n\n')
PY
/lib/systemd/systemd-journal-remote -o finding.journal entries 2>/dev/null
for all in '' --all; do
  journalctl --file finding.journal -o json $all --no-pager | python3 -c '
import json, sys
for line in sys.stdin:
    m = json.loads(line)["MESSAGE"]
    print(type(m).__name__, len(m or ""))'
done | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
str 12
str 4087
NoneType 0
list 21
str 12
str 4087
str 4088
list 21
OUT
