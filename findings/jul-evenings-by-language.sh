#!/usr/bin/env bash
# The default format of java.util.logging has a clock of twelve hours whose half of the day is in the language of the machine: EM in Swedish, ODP. in Czech, DU. in Hungarian, P. M. with a blank that does not break in Spanish. A reader that knows AM and PM takes 23:30 for 11:30, without an error.
# Seen with OpenJDK 17.0.15; the same of everything that has no format of its own, as embedded Tomcat.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat >Finding.java <<'JAVA'
import java.time.Instant;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.SimpleFormatter;

public class Finding {
    public static void main(String[] args) {
        LogRecord record = new LogRecord(Level.SEVERE, "failed");
        record.setInstant(Instant.parse("2026-11-30T23:30:00Z"));
        record.setSourceClassName("shop.Pay");
        record.setSourceMethodName("run");
        System.out.println(new SimpleFormatter().format(record).split("\n")[0]);
    }
}
JAVA
javac Finding.java
for language in sv-SE cs-CZ hu-HU es-ES ja-JP en-US; do
  java -Duser.timezone=UTC -Dfile.encoding=UTF-8 -Dsun.stdout.encoding=UTF-8 -Dstdout.encoding=UTF-8 -Duser.language="${language%-*}" -Duser.country="${language#*-}" Finding
done | tee out.txt
printf '%s\n' 'nov. 30, 2026 11:30:00 EM shop.Pay run' 'lis 30, 2026 11:30:00 ODP. shop.Pay run' 'nov. 30, 2026 11:30:00 DU. shop.Pay run' \
  $'nov 30, 2026 11:30:00 P.\u00a0M. shop.Pay run' '11月 30, 2026 11:30:00 午後 shop.Pay run' 'Nov 30, 2026 11:30:00 PM shop.Pay run' >want.txt
cmp -s out.txt want.txt || { diff out.txt want.txt || true; echo 'CHANGED'; exit 1; }
