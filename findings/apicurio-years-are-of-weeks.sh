#!/usr/bin/env bash
# Apicurio Registry formats the time of its own log with %d{YYYY-MMx-dd HH:mm:ss}: YYYY is the year of the week, so the log of December 28, 2026 is dated 2027, and x puts the zone between month and day: 2027-12+00-28 10:11:12. Version 2 has YYYY-MM-dd.
# Seen with apicurio-registry-app 3.3.3, and its formatter jboss-logmanager 3.2.1.Final. It fetches about 160 MB.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
mvn -q -B dependency:copy -Dartifact=io.apicurio:apicurio-registry-app:3.3.3:tar.gz:all -DoutputDirectory=.
tar xzf apicurio-registry-app-3.3.3-all.tar.gz
unzip -p app/apicurio-registry-app-3.3.3.jar application.properties | sed -n 's/^quarkus.log.console.format=//p' | tee format.txt
cat >Finding.java <<'JAVA'
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.logging.Level;
import org.jboss.logmanager.ExtLogRecord;
import org.jboss.logmanager.formatters.PatternFormatter;

public class Finding {
    public static void main(String[] args) throws Exception {
        ExtLogRecord record = new ExtLogRecord(Level.INFO, "started", "shop");
        record.setInstant(Instant.parse("2026-12-28T10:11:12Z"));
        String format = Files.readString(Path.of("format.txt")).trim();
        System.out.print(new PatternFormatter(format).format(record));
    }
}
JAVA
javac -cp "$(echo lib/*/*.jar | tr ' ' ':')" Finding.java
java -Duser.timezone=UTC -Duser.language=en -Duser.country=US -cp ".:$(echo lib/*/*.jar | tr ' ' ':')" Finding | tee out.txt
grep -q '^2027-12+00-28 10:11:12 INFO ' out.txt || { echo 'CHANGED'; exit 1; }
