#!/usr/bin/env bash
# java.util.logging formats numbers for people: order 4711 is written as "order 4,711", and an apostrophe in the text leaves its placeholders unfilled: "it's {0}" is written as "its {0}".
# So an identifier cannot be searched, and is another text in another locale; @template masks it all the same.
# Seen with OpenJDK 17.0.15; the same of JBoss' log manager and of Tomcat, which format by it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat >Finding.java <<'JAVA'
import java.util.logging.Level;
import java.util.logging.Logger;

public class Finding {
    public static void main(String[] args) {
        Logger log = Logger.getLogger("shop");
        log.log(Level.SEVERE, "order {0} failed", 4711);
        log.log(Level.SEVERE, "it's order {0}", 4711);
    }
}
JAVA
java -Duser.language=en -Duser.country=US Finding.java 2>&1 | tee out.txt
grep -q '^SEVERE: order 4,711 failed$' out.txt && grep -q '^SEVERE: its order {0}$' out.txt || { echo 'CHANGED'; exit 1; }
