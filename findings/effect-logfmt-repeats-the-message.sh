#!/usr/bin/env bash
# Effect's logfmt logger writes a pair `message=` for each argument, the error last, and an annotation called `level` as a second level behind the real one.
# A reader that keeps one pair of a name has the text of the error for the message, and loses the level.
# Seen with effect 4.1.0.
# For rules: search the line (`line:"payment failed"`), or use the JSON logger, whose messages are a list.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
echo '{"private": true, "type": "module"}' >package.json
npm install --silent --no-audit --no-fund effect@4.1.0 >/dev/null 2>&1
cat >finding.js <<'JS'
import { Effect, Logger } from 'effect';
const program = Effect.gen(function* () {
  yield* Effect.logError('payment failed', { order: 7 }, new Error('boom'));
  yield* Effect.logWarning('retry').pipe(Effect.annotateLogs({ level: 'gold' }));
});
await Effect.runPromise(program.pipe(Effect.provide(Logger.layer([Logger.consoleLogFmt]))));
JS
node finding.js | sed -E 's/timestamp=[^ ]* //; s/fiber=[^ ]* //' | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
level=ERROR message="payment failed" message="{\"order\":7}" message="Error: boom"
level=WARN message=retry level=gold
OUT
