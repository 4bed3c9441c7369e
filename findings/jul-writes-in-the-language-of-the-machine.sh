#!/usr/bin/env bash
# java.util.logging writes levels and months in the language of the machine, also to files and with %4$s of one's own format: SEVERE is SCHWERWIEGEND, GRAVE or 重大, November "Nov." or "11月".
# Tomcat, Jenkins and others log so. Of two servers, one in German, the same error has two levels; OpenJDK translates into fewer languages in newer versions.
# Seen with java.util.logging of OpenJDK 17.0.15. The words are read as levels; the dates of Japanese are not, so such logs have the record's time. Set -Duser.language=en for logs.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat >Finding.java <<'JAVA'
public class Finding {
    public static void main(String[] args) {
        java.util.logging.Logger.getLogger("shop").severe("failed");
    }
}
JAVA
javac Finding.java
for language in en de ja; do
  echo "== $language"
  java -Duser.language=$language -Djava.util.logging.SimpleFormatter.format='%1$tb %4$s: %5$s%n' \
    -Dstderr.encoding=UTF-8 -Dsun.stderr.encoding=UTF-8 Finding 2>&1 | tee $language.txt
done
grep -q 'SEVERE: failed' en.txt || { echo 'CHANGED: English'; exit 1; }
grep -q 'SCHWERWIEGEND: failed' de.txt || { echo 'CHANGED: German'; exit 1; }
grep -q '重大: failed' ja.txt || { echo 'CHANGED: Japanese'; exit 1; }
