#!/usr/bin/env bash
# Log4j's JSON template layout cuts each text at 16,384 characters (maxStringLength). Of a deep stack the last part is lost, and that is where Java writes the cause.
# Seen with log4j-layout-template-json 2.25.4 and its EcsLayout.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat >pom.xml <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.25.4</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-layout-template-json</artifactId><version>2.25.4</version></dependency>
  </dependencies>
</project>
POM
mvn -q -B -Dstyle.color=never org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile=classpath >/dev/null
cat >log4j2.xml <<'XML'
<Configuration>
  <Appenders><Console name="out"><JsonTemplateLayout eventTemplateUri="classpath:EcsLayout.json"/></Console></Appenders>
  <Loggers><Root level="info"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
XML
cat >Finding.java <<'JAVA'
import org.apache.logging.log4j.LogManager;

public class Finding {
    static void handle(int depth) {
        if (depth > 0) {
            handle(depth - 1);
            return;
        }
        LogManager.getLogger("shop").error("payment failed", new RuntimeException("no answer", new IllegalStateException("disk full")));
    }

    public static void main(String[] args) {
        handle(Integer.parseInt(args[0]));
    }
}
JAVA
for depth in 100 1000; do
  java -cp "$(cat classpath)" -Dlog4j2.configurationFile=log4j2.xml Finding.java $depth 2>/dev/null | python3 -c '
import json, sys
stack = json.load(sys.stdin)["error.stack_trace"]
print(len(stack) > 16384, "Caused by: java.lang.IllegalStateException: disk full" in stack, stack[-1] == "…")'
done | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
False True False
True False True
OUT
