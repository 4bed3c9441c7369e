#!/usr/bin/env bash
# Log4j's GELF template gives FATAL the level 1, which is ALERT in syslog and GELF, and its own level NOTICE between INFO and WARN the level 4, a warning. Its template for Google Cloud makes FATAL an EMERGENCY.
# `level:fatal` does not mean the same logs in two layouts of one library.
# Seen with log4j-layout-template-json 2.25.4.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat >pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
<properties><maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target></properties>
<dependencies>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.25.4</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-layout-template-json</artifactId><version>2.25.4</version></dependency>
</dependencies>
</project>
XML
mkdir -p src/main/java
cat >src/main/java/Finding.java <<'JAVA'
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.DefaultConfiguration;
import org.apache.logging.log4j.core.impl.Log4jLogEvent;
import org.apache.logging.log4j.layout.template.json.JsonTemplateLayout;
import org.apache.logging.log4j.message.SimpleMessage;

public class Finding {
    public static void main(String[] args) {
        for (String template : new String[] {"GelfLayout.json", "GcpLayout.json"}) {
            JsonTemplateLayout layout = JsonTemplateLayout.newBuilder()
                .setConfiguration(new DefaultConfiguration())
                .setEventTemplateUri("classpath:" + template).build();
            for (Level level : new Level[] {Level.FATAL, Level.forName("NOTICE", 350)}) {
                System.out.print(layout.toSerializable(Log4jLogEvent.newBuilder()
                    .setLoggerName("shop").setLevel(level).setMessage(new SimpleMessage("x")).build()));
            }
        }
    }
}
JAVA
mvn -q -B compile dependency:build-classpath -Dmdep.outputFile=classpath >/dev/null
java -cp "target/classes:$(cat classpath)" Finding 2>/dev/null | tee out.txt
got=$(grep -oE '"(level|severity)":("[A-Z]+"|[0-9]+)' out.txt | tr '\n' ' ')
[ "$got" = '"level":1 "level":4 "severity":"EMERGENCY" "severity":"NOTICE" ' ] || { echo "CHANGED: $got"; exit 1; }
