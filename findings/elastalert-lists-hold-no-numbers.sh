#!/usr/bin/env bash
# A blacklist or whitelist of ElastAlert 2 that holds a number, as in `blacklist: [4711]`, ends the rule with an AttributeError. In quotes it is taken, and then never equals a number in a log: {"uid": 4711} is not on the blacklist ['4711'], and always off the whitelist ['4711'].
# Seen with ElastAlert 2 2.31.0, which needs Python 3.12.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check elastalert2==2.31.0
cat >finding.py <<'PY'
from elastalert.ruletypes import BlacklistRule, WhitelistRule

def matches(kind, key, member):
    try:
        rule = kind({'compare_key': 'uid', key: [member], 'ignore_null': True, 'timestamp_field': '@timestamp'})
    except AttributeError as e:
        return f'AttributeError: {e}'
    rule.add_data([{'@timestamp': 't', 'uid': 4711}])
    return f'{len(rule.matches)} matches'

for kind, key in (BlacklistRule, 'blacklist'), (WhitelistRule, 'whitelist'):
    for member in 4711, '4711':
        print(key, repr(member), 'and {"uid": 4711}:', matches(kind, key, member))
PY
venv/bin/python finding.py | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
blacklist 4711 and {"uid": 4711}: AttributeError: 'int' object has no attribute 'startswith'
blacklist '4711' and {"uid": 4711}: 0 matches
whitelist 4711 and {"uid": 4711}: AttributeError: 'int' object has no attribute 'startswith'
whitelist '4711' and {"uid": 4711}: 1 matches
OUT
