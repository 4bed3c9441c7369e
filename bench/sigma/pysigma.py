"""Runs pySigma's SQL over events in SQLite, and prints CPU seconds and hits.

pysigma.py HITS EVENTS RULES...

HITS gets a line for each hit: the number of the event and the rule's ID. Reading the lines into the
table is part of what is measured.
"""
import glob, json, os, re, sqlite3, sys, time, warnings

warnings.filterwarnings("ignore")
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection

hits_file, events_file, *paths = sys.argv[1:]
backend, queries, refused = sqliteBackend(), [], 0
for path in paths:
    for name in sorted(glob.glob(os.path.join(path, "**/*.yml"), recursive=True)):
        try:
            rules = SigmaCollection.from_yaml(open(name).read())
            queries.append((str(rules.rules[0].id), backend.convert(rules)))
        except Exception:
            refused += 1
lines = open(events_file).read().splitlines()
columns = {}
for line in lines:
    for key in json.loads(line):
        columns.setdefault(key.lower(), key)
compiled = {}


def regexp(pattern, value):
    if value is None:
        return False
    if pattern not in compiled:
        compiled[pattern] = re.compile(pattern)
    return compiled[pattern].search(str(value)) is not None


db = sqlite3.connect(":memory:")
db.create_function("REGEXP", 2, regexp)
db.execute("create table logs (_n integer, %s)" % ",".join('"%s"' % c for c in columns.values()))
began = time.process_time()
names = list(columns.values())
rows = ([i] + [event.get(n) for n in names] for i, event in enumerate(map(json.loads, lines)))
db.executemany("insert into logs values (%s)" % ",".join("?" * (len(names) + 1)), rows)
hits = 0
with open(hits_file, "w") as out:
    for rule, texts in queries:
        for text in texts:
            text = text.replace("<TABLE_NAME>", "logs").replace("SELECT *", "SELECT _n")
            while True:
                try:
                    for (n,) in db.execute(text).fetchall():
                        hits += 1
                        out.write("%d %s\n" % (n, rule))
                    break
                except sqlite3.OperationalError as e:
                    missing = re.search(r'no such column: "?([^"]+)"?', str(e))
                    if not missing or missing.group(1).lower() in columns:
                        refused += 1
                        break
                    columns[missing.group(1).lower()] = missing.group(1)
                    db.execute('alter table logs add column "%s"' % missing.group(1))
took = time.process_time() - began
print("pySigma, SQLite: %d rules, %d refused, %d events, %d hits, %.0f events/s of CPU"
      % (len(queries), refused, len(lines), hits, len(lines) / took))
