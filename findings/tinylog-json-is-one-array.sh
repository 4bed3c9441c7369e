#!/usr/bin/env bash
# tinylog's JSON writer writes one array into the file, each log over several lines with tabs, and a comma between logs; line-delimited JSON is an option (format = LDJSON).
# A shipper that reads lines sends five pieces of a log, none of which is JSON.
# Seen with tinylog 2.7.0.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat >pom.xml <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.tinylog</groupId><artifactId>tinylog-api</artifactId><version>2.7.0</version></dependency>
    <dependency><groupId>org.tinylog</groupId><artifactId>tinylog-impl</artifactId><version>2.7.0</version></dependency>
  </dependencies>
</project>
POM
mvn -q -B -Dstyle.color=never org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile=classpath >/dev/null
cat >tinylog.properties <<'CONF'
writer = json
writer.file = logs.json
writer.field.level = {level}
writer.field.message = {message}
CONF
cat >Finding.java <<'JAVA'
import org.tinylog.Logger;

public class Finding {
    public static void main(String[] args) {
        Logger.error("order {} failed", 4711);
        Logger.warn("slow");
    }
}
JAVA
java -cp "$(cat classpath)" -Dtinylog.configuration=tinylog.properties Finding.java
tr '\t' '>' <logs.json | sed -e '$a\' | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
[
>{
>>"level": "ERROR",
>>"message": "order 4711 failed"
>},
>{
>>"level": "WARN",
>>"message": "slow"
>}
]
OUT
